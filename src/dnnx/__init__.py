"""dnnx answers questions about training deep networks with studies: arms, seeds and an interval."""
