"""Where PyTorch keeps torch.func: its modules under their names there."""
