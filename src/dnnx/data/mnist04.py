"""The digits 0-4."""

from dnnx.data.images import ImageData


class MNIST04(ImageData):
    """From MNIST 28,038 training, 2,558 validation and 5,139 test images."""

    labels = range(5)
