"""The authors' own search for fixed points: what ours is held against."""

import jax
import jax.numpy as jnp
import numpy as np
import optax


def adam_descend(network, candidates, u_star, n_steps=10_000):
    """The paper's recipe for eq. 1: Adam on mean((F − h)²) in float32, rate 1·0.9995^k, eps 1e-5.

    Returns where each candidate ends and its q = ½‖F − h‖². Reference: Smith et al. (2021), authors' code.
    """
    optimizer = optax.adam(optax.exponential_decay(1.0, 1, 0.9995), eps=1e-5)

    def loss(h):
        # The mean over candidates too, as the authors have it: eps is large next to such small gradients, and
        # without that damping steps at this rate do not settle.
        return jnp.mean((network.step(h, u) - h) ** 2)

    @jax.jit
    def run(h):
        def step(state, _):
            h, opt = state
            updates, opt = optimizer.update(jax.grad(loss)(h), opt)
            return (optax.apply_updates(h, updates), opt), None

        return jax.lax.scan(step, (h, optimizer.init(h)), length=n_steps)[0][0]

    u = jnp.asarray(u_star, jnp.float32)
    h = run(jnp.array(candidates, jnp.float32))
    return np.asarray(h), 0.5 * np.asarray(jnp.sum((network.step(h, u) - h) ** 2, axis=-1))
