"""Convolutions of our own are torch's, but for rounding."""

import pytest
import torch
from torch import nn
from torch.nn.functional import unfold

from reticent.model import convolution
from reticent.model.convolution import convolved, patches

SHAPES = pytest.mark.parametrize(("stride", "padding", "dilation"), [(1, 1, 1), (2, 2, 1), (1, 2, 2), (2, 0, 3)])


def a_convolution(*, stride: int, padding: int, dilation: int, bias: bool = True) -> nn.Conv2d:
    return nn.Conv2d(2, 3, (3, 2), stride=stride, padding=padding, dilation=dilation, bias=bias).double()


@SHAPES
def test_patches_are_torchs_unfolded_ones(stride: int, padding: int, dilation: int) -> None:
    pictures = torch.randn(3, 2, 11, 9).double()
    theirs = unfold(pictures, (3, 2), dilation=dilation, padding=padding, stride=stride)
    conv = a_convolution(stride=stride, padding=padding, dilation=dilation)
    assert torch.equal(patches(pictures, conv).flatten(1, 3).flatten(2), theirs)


@SHAPES
@pytest.mark.parametrize("n", [0, 1, 4, 9])
@pytest.mark.parametrize("bias", [True, False])
def test_what_is_made_is_torchs(stride: int, padding: int, dilation: int, n: int, bias: bool) -> None:
    pictures = torch.randn(n, 2, 11, 9).double()
    conv = a_convolution(stride=stride, padding=padding, dilation=dilation, bias=bias)
    with torch.no_grad():
        torch.testing.assert_close(convolved(conv, pictures), conv(pictures), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("few", [1, 4, 9])
def test_a_picture_gives_the_same_bits_whatever_stands_beside_it(few: int, monkeypatch: pytest.MonkeyPatch) -> None:
    pictures, others = torch.randn(9, 2, 11, 9).double(), torch.randn(9, 2, 11, 9).double()
    others[3] = pictures[8]
    conv = a_convolution(stride=1, padding=1, dilation=1)
    with torch.no_grad():
        together = convolved(conv, pictures)
        one_picture = patches(pictures, conv)[0].numel() * 8
        monkeypatch.setattr(convolution, "_AT_ONCE_BYTES", few * one_picture)
        assert torch.equal(convolved(conv, pictures), together)
        assert torch.equal(together[8], convolved(conv, others)[3])


def test_with_gradients_and_in_float32_it_is_torchs_own() -> None:
    pictures = torch.randn(3, 2, 11, 9)
    conv = nn.Conv2d(2, 3, 3)
    assert torch.equal(convolved(conv, pictures), conv(pictures))
    with torch.no_grad():
        assert torch.equal(convolved(conv, pictures), conv(pictures))
    made = convolved(conv.double(), pictures.double())
    made.sum().backward()
    assert conv.weight.grad is not None
