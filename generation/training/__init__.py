"""What trains: images with captions in, a checkpoint that ``generation.engine`` samples out.

Pure Python with no Django. Every training step seeds itself from (seed, stage, step), and the
n-th sample is a function of (seed, n), so a run that was killed and resumed ends with the very
weights of one that was not (on a CPU, with the same number of threads).
"""
