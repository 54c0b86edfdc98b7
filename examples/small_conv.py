"""A small convolutional network, as anyone writes it. From this folder:

dnnx train net._target_=small_conv.SmallConv net.width=16 data=mnist seeds=5
"""

import torch.nn.functional as F
from torch import Tensor, nn


class SmallConv(nn.Module):
    """Two convolutions, pooling, dropout of whole channels, and log-probabilities of the classes."""

    def __init__(self, in_shape: tuple[int, int, int], num_outputs: int, width: int = 16, dropout: float = 0.1):
        super().__init__()
        channels, height, side = in_shape
        self.conv1 = nn.Conv2d(channels, width, 3, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, 2 * width, 3, padding=1)
        self.dropout = nn.Dropout2d(dropout)
        self.output = nn.Linear(2 * width * (height // 4) * (side // 4), num_outputs)

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(F.relu(self.norm1(self.conv1(x))), 2)  # [B, width, H / 2, W / 2]
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)  # [B, 2 width, H / 4, W / 4]
        x = self.dropout(x).flatten(1)
        return F.log_softmax(self.output(x), dim=1)  # [B, classes]
