"""What samples: checkpoints in, images out. Pure Python with no Django.

``spec``, ``registry``, ``loading``, ``seeding`` and ``batching`` import no torch, so a web process
may use them; a family's module (``msdm``) does and is imported by the registry when it is used.
"""
