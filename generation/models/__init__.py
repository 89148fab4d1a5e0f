from generation.models.corpus import Dataset, Image, Prompt
from generation.models.generators import Generator
from generation.models.jobs import Job
from generation.models.runs import ImageSet, Run
from generation.models.trainings import Training

__all__ = ["Dataset", "Generator", "Image", "ImageSet", "Job", "Prompt", "Run", "Training"]
