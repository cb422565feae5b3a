"""One training step of an LSTM and one of a convolution in JAX. Python 3.

JAX itself has no Adam: plain gradient descent.
"""

import steps

np = steps.load("numpy")
jax = steps.load("jax")
jnp = steps.load("jax.numpy")
RATE = 0.1


def cross_entropy(logits, labels):
    return -jnp.take_along_axis(jax.nn.log_softmax(logits), labels[:, None], 1).mean()


def train(loss_of, weights, values, labels):
    batch, labels = jnp.array(np.array(values, "float32")), jnp.array(labels)
    kept = [weights]

    @jax.jit
    def update(weights):
        loss, slopes = jax.value_and_grad(lambda now: cross_entropy(loss_of(now, batch), labels))(weights)
        return loss, jax.tree_util.tree_map(lambda value, slope: value - RATE * slope, weights, slopes)

    def step():
        loss, kept[0] = update(kept[0])
        return jax.block_until_ready((loss, kept[0]))[0]

    return step


def random(*shape):
    return jnp.array(np.random.RandomState(len(shape)).uniform(-0.05, 0.05, shape).astype("float32"))


def lstm():
    weights = [random(steps.FEATURES + steps.UNITS, 4 * steps.UNITS), random(steps.UNITS, steps.CLASSES)]

    def logits(weights, batch):
        def cell(state, here):
            output, memory = state
            i, f, g, o = jnp.split(jnp.concatenate([here, output], 1) @ weights[0], 4, 1)
            memory = jax.nn.sigmoid(f) * memory + jax.nn.sigmoid(i) * jnp.tanh(g)
            return (jax.nn.sigmoid(o) * jnp.tanh(memory), memory), None

        zeros = jnp.zeros((steps.BATCH, steps.UNITS))
        (output, _), _ = jax.lax.scan(cell, (zeros, zeros), batch.transpose(1, 0, 2))
        return output @ weights[1]

    return train(logits, weights, steps.sequences(), steps.classes(steps.BATCH))


def convolution():
    weights = [
        random(steps.FILTERS, steps.CHANNELS, steps.KERNEL, steps.KERNEL),
        random(steps.FILTERS, steps.CLASSES),
    ]

    def logits(weights, batch):
        filtered = jax.nn.relu(jax.lax.conv(batch, weights[0], (1, 1), "VALID"))
        return filtered.mean((2, 3)) @ weights[1]

    return train(logits, weights, steps.pictures(), steps.classes(steps.IMAGES))


steps.report(jax.__version__, lstm=lstm, convolution=convolution)
