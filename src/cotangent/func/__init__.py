"""torch.func: grad, vmap, jvp and their relatives as interpreter levels."""
