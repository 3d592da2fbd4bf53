"""`torch.distributed.elastic`: of it, what programs that the launcher starts use."""
