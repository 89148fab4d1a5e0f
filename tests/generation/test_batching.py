import pytest

from generation.engine.batching import batches, run_batched


def test_batches_keep_the_order_and_the_last_may_be_short():
    assert [list(batch) for batch in batches([1, 2, 3, 4, 5], 2)] == [[1, 2], [3, 4], [5]]


def test_a_batch_of_nothing_is_refused():
    with pytest.raises(ValueError, match="at least 1"):
        batches([1], 0)


def fails_above(limit, error, sizes):
    def run(batch):
        sizes.append(len(batch))
        if len(batch) > limit:
            raise error
        return [item * 10 for item in batch]

    return run


@pytest.mark.parametrize("message", ["CUDA out of memory.", "can't allocate memory: 9 bytes"])
def test_out_of_memory_halves_the_batch_and_the_smaller_size_is_remembered(message):
    sizes = []
    run = fails_above(2, RuntimeError(message), sizes)
    done = list(run_batched(run, list(range(7)), 8))
    assert [item for batch, _ in done for item in batch] == list(range(7))
    assert [value for _, result in done for value in result] == [0, 10, 20, 30, 40, 50, 60]
    assert sizes == [7, 3, 1, 1, 1, 1, 1, 1, 1]


def test_a_memory_error_at_one_item_is_raised():
    with pytest.raises(MemoryError):
        list(run_batched(fails_above(0, MemoryError(), []), [1, 2], 2))


def test_any_other_error_is_raised_at_once():
    sizes = []
    with pytest.raises(RuntimeError, match="shape"):
        list(run_batched(fails_above(0, RuntimeError("shape"), sizes), [1, 2, 3], 2))
    assert sizes == [2]


def test_nothing_runs_before_a_result_is_asked_for():
    sizes = []
    results = run_batched(fails_above(9, RuntimeError(), sizes), [1, 2, 3], 2)
    assert sizes == []
    next(results)
    assert sizes == [2]
