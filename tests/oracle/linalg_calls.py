"""Calls of linear algebra, right and wrong ones, as PyTorch's and cotangent's users write them.

`torch` is either library, `L` its linalg; A to Z are the tensors of `operands`. Calls stand apart by |.
"""

from __future__ import annotations

from typing import Any

# Functions that take one matrix, each called with every one of ARGUMENTS.
FUNCTIONS = """
L.cholesky L.cholesky_ex L.det L.eig L.eigh L.eigvals L.eigvalsh L.inv L.inv_ex L.ldl_factor L.lu
L.lu_factor L.lu_factor_ex L.matrix_exp L.matrix_norm L.matrix_rank L.pinv L.qr L.slogdet L.svd
L.svdvals L.cond torch.cholesky torch.cholesky_inverse torch.logdet torch.det torch.inverse
torch.qr torch.svd torch.geqrf torch.pinverse torch.slogdet torch.matrix_exp L.tensorinv L.vander
torch.lu torch.trace torch.cov torch.corrcoef L.norm L.vector_norm
"""
ARGUMENTS = ("B", "v", "I", "H", "Z", "1", "torch.tensor(1.)")

CALLS = r"""
L.solve(B,B) | L.solve(A,v) | L.solve(A,A) | L.solve(A,D) | L.solve(I,I) | L.solve(H,H) | L.solve(Z,Z) |
  L.solve(v,v) | L.solve(A,torch.ones(4)) | L.solve(A,torch.ones(4,3)) |
  L.solve(torch.ones(2,3,3),torch.ones(3,3,3)) | L.solve(A,1) | L.solve(1,A) | L.solve(A,B,left=False) |
  L.solve(torch.eye(3),B,left=False) | L.solve(torch.eye(3),torch.ones(2,4),left=False) |
  L.solve(torch.ones(2,3,3),torch.ones(2,3)) | L.solve(torch.ones(4,3,3),torch.ones(2,3)) |
  L.solve(torch.eye(3).expand(2,3,3),v) | L.solve(torch.eye(3),v,left=False) |
  torch.linalg.solve(A.cfloat(),A) | L.solve(torch.eye(2),torch.ones(2),out=torch.ones(2).double())
L.solve_ex(Z,Z) | L.solve_ex(A,A) | L.solve_ex(Z,Z,check_errors=True)
L.solve_triangular(A,A) | L.solve_triangular(A,A,upper=True) | L.solve_triangular(A,v,upper=True) |
  L.solve_triangular(B,B,upper=True) | L.solve_triangular(I,I,upper=True) |
  L.solve_triangular(A,torch.ones(4,3),upper=True) |
  L.solve_triangular(A,torch.ones(4,3),upper=True,left=False) |
  L.solve_triangular(torch.zeros(2,2),torch.ones(2,2),upper=True) |
  L.solve_triangular(torch.eye(2),torch.eye(2),upper=True,out=torch.ones(2,2).double())
torch.triangular_solve(A,A) | torch.triangular_solve(A,v) | torch.triangular_solve(A,D) |
  torch.triangular_solve(torch.eye(2),torch.eye(2),out=(torch.ones(2,2).double(),torch.ones(2,2)))
torch.cholesky_solve(A,A) | torch.cholesky_solve(v,A) | torch.cholesky_solve(A,D) |
  torch.cholesky_solve(torch.ones(4,3),A) | torch.cholesky_solve(I,I) |
  torch.cholesky_solve(torch.eye(2),torch.eye(2),out=torch.ones(2,2).double())
L.lu_solve(A,v.int(),A) | L.lu_solve(A,v,A) | L.lu_solve(A,v.int(),D) |
  L.lu_solve(A,torch.ones(2).int(),A) | L.lu_solve(A,torch.ones(3).int(),torch.ones(4,3)) |
  L.lu_solve(B,v.int(),A) | torch.lu_solve(A,A,v.int()) | torch.lu_solve(A,A,v) |
  L.lu_solve(A,torch.tensor([9,9,9]).int(),A) |
  L.lu_solve(torch.eye(2),torch.ones(2).int(),torch.eye(2),out=torch.ones(2,2).double()) |
  torch.lu_solve(torch.eye(2),torch.eye(2),torch.ones(2).int(),out=torch.ones(2,2).double())
torch.lu_unpack(A,v) | torch.lu_unpack(A,v.int()) | torch.lu_unpack(A,torch.tensor([9,9,9]).int()) |
  torch.lu_unpack(A,torch.ones(3).int(),False,True) | torch.lu_unpack(v,v.int())
L.lu(A,pivot=False) | torch.lu(A,pivot=False) | torch.lu(A,get_infos=True) | A.lu(get_infos=True) |
  L.lu(torch.eye(2),out=(torch.ones(2,2).double(),torch.ones(2,2),torch.ones(2,2)))
L.lu_factor(A,pivot=False)
L.qr(A,'x') | L.qr(A,mode='r') | torch.qr(A,False) | L.qr(torch.ones(0,3)) |
  L.qr(torch.ones(3,0),mode='complete') |
  L.qr(torch.eye(2),out=(torch.ones(2,2).double(),torch.ones(2,2))) |
  torch.qr(torch.eye(2),out=(torch.ones(2,2).double(),torch.ones(2,2)))
L.eigh(A,UPLO='x') | L.eigh(A,'u') | L.eigh(torch.full((2,2),float('nan'))) |
  L.eigh(torch.eye(2),out=(torch.ones(2).double(),torch.ones(2,2)))
L.eigvalsh(A,UPLO='LL') | L.eigvalsh(torch.eye(2),out=torch.ones(2).double()) |
  L.eigvalsh(torch.eye(2),out=torch.ones(2).int())
L.eig(torch.full((2,2),float('nan'))) | L.eig(torch.eye(2),out=(torch.ones(2),torch.ones(2,2).cfloat()))
L.svd(torch.full((2,2),float('nan'))) | L.svd(A,driver='gesvd') | L.svd(A,full_matrices=False) |
  torch.svd(A,compute_uv=False) | torch.svd(A,some=False) |
  torch.svd(torch.eye(2),out=(torch.ones(2,2).double(),torch.ones(2),torch.ones(2,2)))
L.householder_product(A,v) | L.householder_product(A,B) | L.householder_product(torch.ones(2,3),v) |
  L.householder_product(A,torch.ones(4)) | L.householder_product(A,v.double()) |
  L.householder_product(v,v) |
  L.householder_product(torch.eye(2),torch.ones(2),out=torch.ones(2,2).double())
torch.orgqr(A,v)
torch.ormqr(A,v,A) | torch.ormqr(A,v,B) | torch.ormqr(A,v,D) | torch.ormqr(A,torch.ones(4),A) |
  torch.ormqr(v,v,A) | torch.ormqr(A,B,A) | torch.ormqr(A,v,v) | torch.ormqr(A,v,B,left=False) |
  torch.ormqr(torch.ones(2,3,3),v,B) |
  torch.ormqr(torch.eye(2),torch.ones(2),torch.eye(2),out=torch.ones(2,2).double())
L.ldl_factor(torch.eye(2)) | L.ldl_factor(torch.eye(2),out=(torch.ones(2,2).double(),torch.ones(2).int()))
L.ldl_factor_ex(torch.eye(2)) | L.ldl_factor_ex(torch.zeros(2,2),check_errors=True)
L.ldl_solve(A,v,A) | L.ldl_solve(A,v.int(),A) | L.ldl_solve(A,v.int(),D) |
  L.ldl_solve(A,torch.ones(2).int(),A) | L.ldl_solve(B,v.int(),A)
L.matrix_norm(A,'x') | L.matrix_norm(A,3) | L.matrix_norm(A,'nuc',dim=(0,0)) | L.matrix_norm(A,dim=(0,)) |
  L.matrix_norm(A,dim=0) | L.matrix_norm(A,dtype=torch.int64) | L.matrix_norm(A,2,dim=(0,5)) |
  L.matrix_norm(torch.ones(0,3),2) | L.matrix_norm(torch.ones(0,3),1) | L.matrix_norm(torch.ones(3,0),1) |
  L.matrix_norm(torch.ones(0,3),'nuc') | L.matrix_norm(A,dtype=torch.float16) | L.matrix_norm(H,'nuc') |
  L.matrix_norm(H,1) | L.matrix_norm(torch.ones(0,3),-2) | L.matrix_norm(torch.ones(0,3),-1) |
  L.matrix_norm(torch.ones(3,0),-1) | L.matrix_norm(torch.ones(3,0),float('inf')) |
  L.matrix_norm(torch.ones(0,3),float('inf')) | L.matrix_norm(torch.ones(0,3),-float('inf')) |
  L.matrix_norm(torch.ones(2,2,2),'nuc',keepdim=True) |
  L.matrix_norm(torch.ones(2,3,4),2,dim=(0,2),keepdim=True) | L.matrix_norm(torch.ones(2,0,3),2) |
  L.matrix_norm(A,dtype=torch.complex64) | L.matrix_norm(A.cfloat(),dtype=torch.float32) |
  L.matrix_norm(I,2) | L.matrix_norm(I,'nuc') | L.matrix_norm(I,1) | L.matrix_norm(H,2) |
  L.matrix_norm(A,None) | L.matrix_norm(A,1j) | L.matrix_norm(A,True) |
  L.matrix_norm(I,dtype=torch.float32) | L.matrix_norm(A,2,out=torch.ones(1)) |
  L.matrix_norm(A,out=torch.ones((),dtype=torch.float64)) |
  L.matrix_norm(A,1,out=torch.ones((),dtype=torch.float64))
L.norm(A,3) | L.norm(A,'fro') | L.norm(v,'fro') | L.norm(v,'nuc') | L.norm(torch.ones(2,2,2),2) |
  L.norm(A,2,dim=(0,1,2)) | L.norm(v,2,dim=(0,)) | L.norm(A,dim=(0,1)) |
  L.norm(torch.ones(2,2,2),ord='fro') | L.norm(A,dtype=torch.int64) |
  L.norm(A.double(),dtype=torch.float32) | L.norm(A, 2.5, dim=(0,1)) | L.norm(v,'x') | L.norm(A,'x') |
  torch.norm(A,'nuc') | torch.norm(v,'nuc') | torch.norm(A,'x') | torch.norm(A,'nuc',dim=(0,1)) |
  torch.norm(A,'nuc',dim=0) | torch.norm(I) | torch.norm(A,'fro',dim=(0,1,1)) |
  torch.norm(torch.ones(2,2,2),'nuc') | torch.norm(torch.ones(2,2,2),'nuc',dim=(1,2),keepdim=True) |
  torch.norm(A,'fro',dtype=torch.float64) | torch.norm(A,2,dtype=torch.float64) |
  torch.norm(A.cfloat(),2,dtype=torch.float32) | torch.norm(A,p='nuc',dtype=torch.float64) |
  torch.norm(A,p=1j) | torch.norm(A,p=None) | torch.norm(A,float('inf'),dim=(0,1)) | torch.norm(I,'nuc') |
  torch.norm(torch.ones(0),float('inf')) | torch.norm(v.double(),dtype=torch.float32) |
  L.norm(A,ord=1,dim=0) | L.norm(A,'nuc',dim=0) | L.norm(A,'fro',dim=(0,1),keepdim=True) | L.norm(I,'fro') |
  L.norm(I,1) | L.norm(A.double(),1,dtype=torch.float32) | L.norm(torch.ones(2,2,2),'nuc',dim=(0,1)) |
  L.norm(torch.tensor(2.),2) | L.norm(torch.tensor(2.)) | L.norm(torch.tensor(2.),'fro') | L.norm(A,0) |
  L.norm(v,0) | L.norm(I,dtype=torch.float32) | L.norm(A,out=torch.ones((),dtype=torch.float64))
L.vector_norm(A,'fro') | L.vector_norm(A.double(),dtype=torch.float32) |
  L.vector_norm(torch.ones(0),float('inf')) | L.vector_norm(torch.ones(0,2),float('inf'),dim=0) |
  L.vector_norm(torch.ones(0),-1) | L.vector_norm(A,dtype=torch.complex64) | L.vector_norm(A,1j) |
  L.vector_norm(A,dim=(0,0)) | L.vector_norm(I,dtype=torch.float32) |
  L.vector_norm(A.cfloat(),dtype=torch.float32) | L.vector_norm(torch.ones(0,2),-float('inf')) |
  L.vector_norm(torch.ones(0,2),float('inf'),dim=1) | L.vector_norm(torch.ones(0),0.5) |
  L.vector_norm(torch.ones(0,3),float('inf'),dim=(0,1))
torch.nuclear_norm(A) | torch.nuclear_norm(A,dim=(0,1))
torch.frobenius_norm(A) | torch.frobenius_norm(A,dim=(0,1)) | torch.frobenius_norm(v)
L.cond(A) | L.cond(torch.eye(2),'x') | L.cond(torch.eye(2),3) | L.cond(torch.eye(2),'nuc') |
  L.cond(B,'fro') | L.cond(A,'fro') | L.cond(Z,1) | L.cond(torch.ones(0,0)) | L.cond(A,'nuc') |
  L.cond(A,1) | L.cond(B,'nuc') | L.cond(B,1) | L.cond(B,float('inf')) | L.cond(torch.ones(0,0),'fro') |
  L.cond(torch.ones(2,0,0)) | L.cond(torch.ones(0,3,3)) | L.cond(torch.ones(0,3,3),1) |
  L.cond(torch.ones(2,0,0),1) | L.cond(torch.ones(0,3)) | L.cond(A.cfloat()) | L.cond(A,-2) | L.cond(I,1) |
  L.cond(I,'fro') | L.cond(v,1) | L.cond(A,out=torch.ones((),dtype=torch.float64)) |
  L.cond(torch.eye(2),1,out=torch.ones((),dtype=torch.float64))
L.matrix_rank(A,1e-3) | L.matrix_rank(A,tol=torch.tensor(.1)) | L.matrix_rank(A,atol=1.,rtol=1.) |
  L.matrix_rank(B,hermitian=True) | L.matrix_rank(torch.ones(0,3)) | L.matrix_rank(A,torch.tensor(1j)) |
  L.matrix_rank(A,'x') | L.matrix_rank(A,out=torch.ones(())) |
  L.matrix_rank(A,out=torch.ones((),dtype=torch.int32))
L.pinv(A,1e-3) | L.pinv(B,hermitian=True) | L.pinv(torch.ones(0,3)) | L.pinv(torch.ones(2,0,3)) |
  L.pinv(A,rtol=torch.tensor(1j)) | L.pinv(A,out=torch.ones(3,3,dtype=torch.float64))
torch.pinverse(A,1e-3)
L.lstsq(A,A) | L.lstsq(A,B) | L.lstsq(A,v) | L.lstsq(A,D) | L.lstsq(A,A,driver='x') | L.lstsq(v,v) |
  L.lstsq(I,I) | L.lstsq(torch.ones(2,3),torch.ones(2,2)) |
  L.lstsq(torch.tensor([[1.,2],[3,4],[5,7]]),torch.ones(3,2)) |
  L.lstsq(torch.tensor([[1.,2],[3,4],[5,7]]),torch.ones(3,2),driver='gelsd') |
  L.lstsq(torch.tensor([[1.,2],[3,4],[5,7]]),torch.ones(3,2),driver='gelsy') |
  L.lstsq(torch.tensor([[1.,2],[3,4],[5,7]]),torch.ones(3,2),driver='gels') |
  L.lstsq(torch.tensor([[1.,2],[3,4],[5,7]]),torch.ones(3)) | L.lstsq(torch.ones(0,3),torch.ones(0,2)) |
  L.lstsq(torch.eye(2),torch.ones(2,2),out=(torch.ones(0),)*4)
L.tensorsolve(A,A) | L.tensorsolve(torch.eye(6).reshape(6,2,3),torch.ones(6)) |
  L.tensorsolve(torch.eye(6).reshape(6,2,3),torch.ones(6),dims=(0,)) |
  L.tensorsolve(torch.ones(4,3),torch.ones(4)) |
  L.tensorsolve(torch.eye(2),v[:2],out=torch.ones(2).double())
L.tensorinv(torch.eye(6).reshape(6,2,3),ind=1) | L.tensorinv(A,ind=0) | L.tensorinv(A,ind=-1) |
  L.tensorinv(torch.eye(2),1,out=torch.ones(2,2).double())
L.vander(v,N=2) | L.vander(v,N=1) | L.vander(v,N='a') | torch.vander(v,2) | torch.vander(A) |
  torch.vander(v,-1) | torch.vander(v,increasing=True)
L.multi_dot([A])
L.matrix_power(B,2) | L.matrix_power(Z,-1) | L.matrix_power(I,-1)
L.diagonal(v) | L.diagonal(A) | L.diagonal(A,offset=1,dim1=0,dim2=1)
torch.cdist(A,B) | torch.cdist(v,A) | torch.cdist(A,torch.ones(2,4)) | torch.cdist(A,B,p=-1) |
  torch.cdist(A,D) | torch.cdist(I,I) | torch.cdist(A,B,compute_mode='x') | torch.cdist(H,H) |
  torch.cdist(A,A.cfloat()) | torch.cdist(A,B,2,'use_mm_for_euclid_dist')
torch.pdist(A) | torch.pdist(v) | torch.pdist(A,-1) | torch.pdist(I) | torch.pdist(torch.ones(1,3)) |
  torch.pdist(torch.ones(0,3)) | torch.nn.functional.pdist(A) | torch.pdist(A.cfloat())
torch.cov(A,correction=2) | torch.cov(A,fweights=v) | torch.cov(A,fweights=torch.tensor([1,2,3])) |
  torch.cov(A,aweights=torch.tensor([1,2,3])) | torch.cov(A,aweights=-v) |
  torch.cov(A,fweights=torch.tensor([1,2])) | torch.cov(A,fweights=torch.tensor([-1,2,1])) |
  torch.cov(A,aweights=torch.ones(2)) | torch.cov(A,aweights=A) | torch.cov(A>0) |
  torch.cov(A,fweights=A.long()) | torch.cov(A,correction=3) | torch.cov(A, aweights=torch.zeros(3))
torch.renorm(A,2,0,1) | torch.renorm(A,2,0,1.) | torch.renorm(v,2,0,1) | torch.renorm(A,-1,0,1) |
  torch.renorm(A,2,0,-1) | torch.renorm(I,2,0,1) | torch.renorm(A,2,5,1) | torch.renorm(A,2j,0,1) |
  torch.renorm(A,2,0) | torch.renorm(A,float('inf'),0,1) | torch.renorm(H,2,0,1) |
  torch.renorm(A,2,0,1.,out=torch.ones(3,3).double())
torch.logdet(-torch.eye(1)) | torch.logdet(torch.ones(0,0))
torch.det(torch.ones(0,0)) | L.det(torch.eye(2),out=torch.ones(()).double())
torch.slogdet(torch.ones(0,0)) | L.slogdet(A.cfloat()) |
  L.slogdet(torch.eye(2),out=(torch.ones(()).double(),torch.ones(())))
torch.matrix_exp(torch.ones(0,0)) | torch.matrix_exp(torch.ones(2,0,0)) | L.matrix_exp(torch.eye(2))
torch.svd_lowrank(A,q=5) | torch.svd_lowrank(A,q=2)
torch.pca_lowrank(A,q=9)
L.inv_ex(Z,check_errors=True) |
  L.inv_ex(torch.eye(2),out=(torch.ones(2,2).double(),torch.ones((),dtype=torch.int32)))
L.cholesky_ex(Z,check_errors=True) |
  L.cholesky_ex(torch.eye(2),out=(torch.ones(2,2),torch.ones(()).long()))
L.lu_factor_ex(Z,check_errors=True)
torch.linalg.inv(H) | L.inv(torch.zeros(3,3)) | L.inv(torch.eye(2),out=torch.ones(2,2).double()) |
  L.inv(torch.eye(2),out=torch.ones(2,2).int())
L.svdvals(A,out=torch.ones(3,dtype=torch.float64)) | L.svdvals(A,out=torch.ones(3,dtype=torch.int32))
L.cholesky(torch.eye(2),out=torch.ones(2,2).double()) |
  torch.cholesky(torch.eye(2),out=torch.ones(2,2).double())
L.eigvals(torch.eye(2),out=torch.ones(2)) | L.eigvals(torch.eye(2),out=torch.ones(2).cdouble())
torch.cholesky_inverse(torch.eye(2),out=torch.ones(2,2).double())
torch.geqrf(torch.eye(2),out=(torch.ones(2,2).double(),torch.ones(2)))
torch.inverse(torch.eye(2),out=torch.ones(2,2).double())
torch.eig(A) | torch.symeig(A) | torch.solve(A, A) | torch.lstsq(A, A) | A.eig(True) | A.symeig() |
  A.solve(A) | A.lstsq(A)
torch.lobpcg(A) | torch.lobpcg(B) | torch.lobpcg(A, k=2) | torch.lobpcg(torch.eye(9), X=torch.ones(8, 2))
"""


def operands(torch: Any) -> dict[str, Any]:
    """The names that calls use."""
    half_singular = torch.zeros(2, 3, 3)
    half_singular[0] = torch.eye(3)
    return {
        "torch": torch,
        "L": torch.linalg,
        "A": torch.ones(3, 3),
        "B": torch.ones(2, 3),
        "D": torch.ones(3, 3).double(),
        "H": torch.ones(3, 3).half(),
        "I": torch.ones(3, 3, dtype=torch.int64),
        "v": torch.ones(3),
        "Z": half_singular,
    }


def calls() -> list[str]:
    """Every call."""
    listed = [call.strip() for call in CALLS.replace("|\n", "|").replace("\n", "|").split("|")]
    return [f"{f}({a})" for f in FUNCTIONS.split() for a in ARGUMENTS] + [call for call in listed if call]
