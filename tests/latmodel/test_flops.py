from __future__ import annotations

from dataclasses import replace

from latmodel.flops import attention_flops, ends_flops, mlp_flops, scores_flops
from tests.latmodel.golden import PAPER_VIT

# 8 features, 2 heads of 4, an MLP of 16, 4 tokens of which 1 is no patch, 12 numbers a
# patch, 10 classes; a multiply-add counts as two.


def test_attention_is_four_projections_and_two_products() -> None:
    """On 3 tokens: 3 x 8 x 8 four times; 3 x 3 x 4 for each head, twice."""
    assert scores_flops(PAPER_VIT, 3) == 2 * (2 * 3 * 3 * 4)
    assert attention_flops(PAPER_VIT, 3) == 2 * (4 * 3 * 8 * 8 + 2 * 2 * 3 * 3 * 4)


def test_heads_may_be_wider_than_the_model() -> None:
    """4 heads of 4 make an inner width of 16."""
    wide = replace(PAPER_VIT, heads=4)
    assert attention_flops(wide, 3) == 2 * (4 * 3 * 8 * 16 + 2 * 4 * 3 * 3 * 4)


def test_an_mlp_is_two_matrices_and_three_where_it_is_gated() -> None:
    assert mlp_flops(PAPER_VIT, 3) == 2 * (2 * 3 * 8 * 16)
    assert mlp_flops(replace(PAPER_VIT, gated_mlp=True), 3) == 2 * (3 * 3 * 8 * 16)


def test_the_ends_are_the_patches_and_the_head() -> None:
    assert ends_flops(PAPER_VIT) == 2 * (3 * 12 * 8 + 8 * 10)


def test_a_batch_is_that_many_images() -> None:
    for flops in (attention_flops, mlp_flops, scores_flops):
        assert flops(PAPER_VIT.at(batch=5), 2) == 5 * flops(PAPER_VIT, 2)
    assert ends_flops(PAPER_VIT.at(batch=5)) == 5 * ends_flops(PAPER_VIT)
