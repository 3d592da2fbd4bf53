import torch, torch.nn.functional as F
from torch.overrides import TorchFunctionMode, resolve_name
class M(TorchFunctionMode):
    def __torch_function__(self, f, types, args=(), kwargs=None):
        print(resolve_name(f).replace('torch.functional.', 'torch.').replace('nn.functional.layer_norm', 'layer_norm'), [type(a).__name__ if isinstance(a, torch.Tensor) else a for a in args], {k: (type(v).__name__ if isinstance(v, torch.Tensor) else v) for k, v in (kwargs or {}).items()}); return f(*args, **(kwargs or {}))
x = torch.ones(2, 4); i = torch.ones(1, 2, 4, 4); t = torch.tensor([0, 1]); w = torch.ones(5, 4); d = x.double()
with M():
    F.relu(x); F.relu(x, True); F.dropout(x, 0.5, training=False); F.softmax(x, 1); F.max_pool2d(i, 2); F.avg_pool2d(i, 2); F.adaptive_avg_pool2d(i, 1); F.layer_norm(x, (4,)); F.batch_norm(x, None, None, training=True)
    F.cross_entropy(x, t); F.mse_loss(x, x); F.embedding(t, w); F.pad(x, (1, 1)); F.interpolate(i, scale_factor=2); F.normalize(x); F.gelu(x); F.linear(x, w); F.conv2d(i, torch.ones(1, 2, 1, 1)); F.log_softmax(x, dim=-1); F.leaky_relu(x); F.tanh(x); F.sigmoid(x)
    torch.split(x, 2); x.split(2); torch.norm(x); x.norm(); torch.unique(t); torch.meshgrid(t, t, indexing="ij"); torch.cdist(x, x); torch.tensordot(x, x); torch.einsum("ij->i", x); x.unflatten(1, (2, 2)); torch.atleast_2d(x); torch.block_diag(x, x); torch.broadcast_tensors(x, x); x.backward if False else None
    F.group_norm(x, 2); F.one_hot(t); F.elu(x); F.silu(x); F.hardtanh(x); F.glu(x); F.nll_loss(x, t); F.l1_loss(x, x); F.smooth_l1_loss(x, x); F.binary_cross_entropy_with_logits(x, x); F.kl_div(x, x); F.cosine_similarity(x, x); F.triplet_margin_loss(x, x, x); F.unfold(i, 2); F.grid_sample(i, torch.zeros(1, 2, 2, 2), align_corners=False); F.scaled_dot_product_attention(i, i, i)
