"""Statistics of reader studies. Pure: tidy pandas frames in, dataclasses out.

A frame of scores holds one criterion: columns ``reader, case, pair, kind, arm, value``. The unit of
resampling is the **pair** (a prompt and its rephrasing share their real images), and readers too
once there are `MIN_READERS` of them.
"""

# With fewer an interval or p would claim more than the data hold.
MIN_PAIRS = 5
MIN_READERS = 5
# An order of fewer arms, however perfect, comes about by chance more often than 1 in 20.
MIN_ARMS = 5
