from generation.models.corpus import Dataset, Image, Prompt
from generation.models.generators import IMPORTED, Generator, TunedGenerator
from generation.models.jobs import Job, Progress
from generation.models.rephrasings import Proposal, Rephrasing
from generation.models.runs import Chunk, ImageSet, Run
from generation.models.tokens import AccessToken
from generation.models.trainings import Training
from generation.models.uploads import SentFile, Upload

__all__ = [
    "IMPORTED",
    "AccessToken",
    "Chunk",
    "Dataset",
    "Generator",
    "Image",
    "ImageSet",
    "Job",
    "Progress",
    "Prompt",
    "Proposal",
    "Rephrasing",
    "Run",
    "SentFile",
    "Training",
    "TunedGenerator",
    "Upload",
]
