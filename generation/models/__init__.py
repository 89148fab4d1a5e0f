from generation.models.corpus import Dataset, Image, Prompt
from generation.models.generators import IMPORTED, Generator, TunedGenerator
from generation.models.jobs import Job, Progress
from generation.models.runs import Chunk, ImageSet, Run
from generation.models.trainings import Training

__all__ = [
    "IMPORTED",
    "Chunk",
    "Dataset",
    "Generator",
    "Image",
    "ImageSet",
    "Job",
    "Progress",
    "Prompt",
    "Run",
    "Training",
    "TunedGenerator",
]
