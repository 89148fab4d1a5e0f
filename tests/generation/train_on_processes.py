"""A training to be started by ``accelerate launch``: FAMILY BASE IMAGES OUTPUT SETTINGS (JSON)."""

import json
import sys
from pathlib import Path

from generation.training.registry import load_trainer
from tests.generation.test_accelerate import config_of
from tests.generation.tiny_msdm import draw_images

family, base, images, output, settings = sys.argv[1:]
load_trainer(family)(
    draw_images(Path(images)),
    config=config_of(family, Path(base), **json.loads(settings)),
    output=Path(output),
)
