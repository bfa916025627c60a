"""What does a convolution in float64 see and make, a few pictures at a time? Sooner than torch's, which copies a whole batch."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

_AT_ONCE_BYTES = 3 << 19  # of patches, nine times as large as the pictures: so many stay in a core's own cache


def convolved(conv: nn.Conv2d, pictures: Tensor) -> Tensor:
    """What `conv` makes of them, (n, out, rows, columns); in float64 without gradients sooner, and equal but for rounding.

    conv: of one group, padded with so many zeros, as a Trunk's are. One picture's result doesn't depend on the others.
    """
    if pictures.dtype != torch.float64 or torch.is_grad_enabled():
        return conv(pictures)  # type: ignore[no-any-return]
    weight, bias = conv.weight.flatten(1), conv.bias
    seen = patches(pictures, conv)
    made = pictures.new_empty(len(pictures), len(weight), seen.shape[4] * seen.shape[5])
    for some, unfolded in copied(seen):
        torch.bmm(weight.expand(len(unfolded), -1, -1), unfolded, out=made[some])
    if bias is not None:
        made += bias[:, None]
    return made.view(len(pictures), len(weight), *seen.shape[4:])


def copied(seen: Tensor) -> Iterator[tuple[slice, Tensor]]:
    """A few of these patches at a time, (few, in * kernel, places), in the same memory each time, and which pictures they are.

    Fresh memory for each would be paid for in page faults.
    """
    shape = seen.shape[1:]
    few = max(1, _AT_ONCE_BYTES // (shape.numel() * seen.element_size()))
    held = seen.new_empty((few, *shape))
    for start in range(0, len(seen), few):
        some = slice(start, start + few)
        yield some, held[: len(seen[some])].copy_(seen[some]).flatten(1, 3).flatten(2)


def patches(pictures: Tensor, conv: nn.Conv2d) -> Tensor:
    """What each place of the convolution's output looks at: shape (n, in, height and width of the kernel, rows, columns).

    As `torch.nn.functional.unfold`, without a copy: a view of the padded pictures.
    """
    (high, wide), (down, across), (apart_y, apart_x) = conv.kernel_size, conv.stride, conv.dilation
    pad_y, pad_x = (int(pixels) for pixels in conv.padding)
    padded = pad(pictures, (pad_x, pad_x, pad_y, pad_y))
    n, channels, height, width = padded.shape
    rows = (height - apart_y * (high - 1) - 1) // down + 1
    columns = (width - apart_x * (wide - 1) - 1) // across + 1
    example, channel, y, x = padded.stride()
    return padded.as_strided(
        (n, channels, high, wide, rows, columns), (example, channel, y * apart_y, x * apart_x, y * down, x * across)
    )
