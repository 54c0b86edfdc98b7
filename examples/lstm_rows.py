"""An LSTM that reads an image row by row. From this folder:

dnnx train net._target_=lstm_rows.RowLSTM net.hidden=32 data=mnist seeds=5
"""

from torch import Tensor, nn


class RowLSTM(nn.Module):
    """The last hidden state of an LSTM over the rows of an image, and a linear layer."""

    def __init__(self, in_shape: tuple[int, int, int], num_outputs: int, hidden: int = 32):
        super().__init__()
        channels, _, width = in_shape
        self.lstm = nn.LSTM(channels * width, hidden, batch_first=True)
        self.output = nn.Linear(hidden, num_outputs)

    def forward(self, x: Tensor) -> Tensor:
        rows = x.transpose(1, 2).flatten(2)  # [B, H, channels * W]
        states, _ = self.lstm(rows)
        return self.output(states[:, -1])
