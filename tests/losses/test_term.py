from __future__ import annotations

import pytest
import torch

from seemkit.losses.term import Term, means_over_processes


def test_a_mean_is_summed_over_predictions():
    assert Term(torch.tensor([6.0, 1.0]), torch.tensor([3.0, 4.0])).mean.item() == pytest.approx(2.25)


def test_nothing_divided_by_nothing_is_nothing():
    assert Term(torch.zeros(2), torch.zeros(2)).mean.item() == 0


def test_weights_are_factors_of_the_total_alone():
    term = Term(torch.tensor([6.0]), torch.tensor([3.0])).times(2)
    assert (term.mean.item(), term.divisor.item()) == (4, 3)


def test_one_process_has_its_own_means():
    terms = [Term(torch.tensor([6.0, 1.0]), torch.tensor([3.0, 4.0])), Term(torch.tensor([5.0]), torch.tensor([0.0]))]
    assert [mean.item() for mean in means_over_processes(terms)] == [2.25, 5]
