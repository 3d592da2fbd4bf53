import torch, torch.fx
import torch.nn.functional as F
from torch.fx import symbolic_trace
class Block(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 4, 3, padding=1)
        self.bn = torch.nn.BatchNorm2d(4)
        self.w = torch.nn.Parameter(torch.rand(4,1,1))
        self.register_buffer("b", torch.ones(4,1,1))
        self.seq = torch.nn.Sequential(torch.nn.Linear(4,5), torch.nn.ReLU())
    def forward(self, x, scale: float = 2.0):
        y = F.relu(self.bn(self.conv(x))) * self.w + self.b
        y = F.max_pool2d(y, 2)
        y = F.adaptive_avg_pool2d(y, 1)
        y = torch.flatten(y, 1)
        y = self.seq(y)
        y = F.dropout(y, 0.5, self.training)
        z = F.gelu(y) + F.softmax(y, dim=-1) - torch.split(y, 2, dim=1)[0].sum() + torch.ones(5)
        a, b = z.chunk(2, -1)
        s = z.shape[0]
        return {"out": torch.cat([a, b], dim=1).view(s, -1), "t": (torch.einsum("ij,ij->i", z, z), torch.linalg.norm(z), torch.tanh(z), F.tanh(z), F.sigmoid(z), z.sigmoid(), -z, abs(z), z**2, 1/z, z @ z.T, z[0, :2], z[..., None], F.linear(z, z), F.cross_entropy(z, z), torch.nn.functional.pad(z, (1,1)))}
m = Block().eval()
gm = symbolic_trace(m)
print(gm)
print(gm.graph)
gm.print_readable()
x = torch.ones(2,3,8,8)
