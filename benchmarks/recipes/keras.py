"""Keras, `fit` on arrays in memory."""

import keras
from keras import layers

from benchmarks.rounds import LABELS, Rounds, options, splits


def main(batch_size: int, steps: int | None, device: str) -> None:
    rounds = Rounds()
    data = {
        name: (x.reshape(len(x), -1).astype("float32") / 255, y) for name, (x, y) in splits(steps, batch_size).items()
    }
    hidden = [layers.Dense(100, activation="elu", kernel_initializer="he_normal") for _ in range(5)]
    net = keras.Sequential([*hidden, layers.Dense(len(LABELS), activation="softmax")])
    net.compile(keras.optimizers.Adam(4e-4), loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    while True:
        rounds.next(len(data["train"][0]))
        net.fit(*data["train"], batch_size=batch_size, validation_data=data["val"], verbose=0)


if __name__ == "__main__":
    main(**options())
