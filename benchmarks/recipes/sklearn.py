"""scikit-learn's MLPClassifier, with ReLU as it has no ELU; `partial_fit` is one epoch."""

from sklearn.neural_network import MLPClassifier

from benchmarks.rounds import LABELS, Rounds, options, splits


def main(batch_size: int, steps: int | None, device: str) -> None:
    rounds = Rounds()
    x, y = splits(steps, batch_size)["train"]
    x = x.reshape(len(x), -1).astype("float32") / 255
    net = MLPClassifier([100] * 5, batch_size=batch_size, learning_rate_init=4e-4)
    while True:
        rounds.next(len(x))
        net.partial_fit(x, y, classes=LABELS)


if __name__ == "__main__":
    main(**options())
