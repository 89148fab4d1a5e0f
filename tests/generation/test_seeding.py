from generation.engine.seeding import image_seed


def test_the_seed_of_an_image_is_fixed_for_good():
    assert image_seed(seed=1, prompt="a polyp", index=0) == 1792498330902888606


def test_every_part_of_the_request_changes_the_seed():
    base = {"seed": 1, "prompt": "a polyp", "index": 0, "attempt": 0}
    others = [base | change for change in ({"seed": 2}, {"prompt": "b"}, {"index": 1})]
    others.append(base | {"attempt": 1})
    assert len({image_seed(**request) for request in [base, *others]}) == 5


def test_a_digit_moved_from_one_part_to_another_changes_the_seed():
    assert image_seed(seed=1, prompt="p", index=23) != image_seed(seed=12, prompt="p", index=3)


def test_seeds_fit_a_signed_64_bit_column():
    seeds = [image_seed(seed=0, prompt="p", index=index) for index in range(200)]
    assert min(seeds) >= 0
    assert max(seeds) < 2**63
