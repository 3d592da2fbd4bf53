"""`SummaryWriter`: numbers, pictures and graphs of a run, written as TensorBoard's event files.

The files are written by the package tensorboardX, to which tensors go as arrays; graphs of modules are ours.
"""

from __future__ import annotations

import io
import time
import wave
from typing import Any, Final

import numpy as np

from ... import lazy
from ...autograd.base import TensorBase
from ...errors import type_name
from ._graph import graph_of

__all__ = ["SummaryWriter"]

_x: Any = lazy.module("tensorboardX")
_summary: Any = lazy.module("tensorboardX.summary")
_records: Any = lazy.module("tensorboardX.proto.summary_pb2")
_tensors: Any = lazy.module("tensorboardX.proto.tensor_pb2")
_events: Any = lazy.module("tensorboardX.proto.event_pb2")
_shapes: Any = lazy.module("tensorboardX.proto.tensor_shape_pb2")
_hparams: Any = lazy.module("tensorboardX.proto.plugin_hparams_pb2")
_structs: Any = lazy.module("google.protobuf.struct_pb2")
# TensorFlow's numbers for types, https://github.com/tensorflow/tensorflow types.proto.
_CODES: Final = {
    "float32": 1, "float64": 2, "int32": 3, "uint8": 4, "int16": 5, "int8": 6, "int64": 9, "bool": 10,
}  # fmt: skip
_MISSING: Final = "torch.utils.tensorboard needs the package tensorboardX: pip install cotangent[tensorboard]"


def _plain(value: Any) -> Any:
    """A value with its tensors as arrays (16-bit floats that NumPy does not write as float32)."""
    if isinstance(value, TensorBase):
        t: Any = value.detach()  # type: ignore[attr-defined]
        return t.numpy() if t.dtype.np.kind != "V" else t.float().numpy()
    if isinstance(value, dict):
        return {key: _plain(v) for key, v in value.items()}
    return type(value)(_plain(v) for v in value) if type(value) in (list, tuple) else value


def _number(name: str, value: Any) -> float:
    value = _plain(value)
    if isinstance(value, (bool, int, float, np.generic)):
        return float(value)
    if isinstance(value, np.ndarray) and value.size == 1:
        return float(value.reshape(()))
    if isinstance(value, np.ndarray):
        raise AssertionError(f"{name}: a scalar should be 0D, got an array of shape {value.shape}")
    raise NotImplementedError(f"{name}: expected a number, tensor or array, got {type_name(value)}")


class SummaryWriter:
    """Writes a run's event files into a directory, for TensorBoard.

    Args:
        log_dir: the directory; by default runs/DATE_HOST with the comment behind it.
        comment: end of the default directory's name.
        purge_step: after a crash, the step from which on earlier records are hidden.
        max_queue: records kept before they are written.
        flush_secs: seconds after which they are written anyway.
        filename_suffix: end of the files' names.

    Raises:
        ImportError: if tensorboardX is not installed.

    Example:
        >>> import cotangent as torch
        >>> from cotangent.utils.tensorboard import SummaryWriter
        >>> with SummaryWriter("logs") as writer:
        ...     writer.add_scalar("loss", torch.tensor(0.5), 1)
    """

    def __init__(
        self, log_dir: Any = None, comment: str = "", purge_step: int | None = None, max_queue: int = 10,
        flush_secs: int = 120, filename_suffix: str = "",
    ) -> None:  # fmt: skip
        try:
            made = _x.SummaryWriter
        except ImportError:
            raise ImportError(_MISSING) from None
        log_dir = None if log_dir is None else str(log_dir)
        self._writer = made(log_dir, comment, purge_step, max_queue, flush_secs, filename_suffix)
        self.log_dir = self._writer.logdir
        self.purge_step, self.max_queue, self.flush_secs = purge_step, max_queue, flush_secs
        self.filename_suffix = filename_suffix
        self._beside: dict[str, SummaryWriter] = {}  # for the lines of diagrams of several

    @property
    def file_writer(self) -> Any:
        """What writes the file; None after `close`."""
        return self._writer.file_writer

    def get_logdir(self) -> str:
        """The directory."""
        return str(self.log_dir)

    def _record(self, summary: Any, step: Any = None, walltime: float | None = None) -> None:
        self._writer._get_file_writer().add_summary(summary, step, walltime)

    def add_scalar(
        self, tag: str, scalar_value: Any, global_step: int | None = None, walltime: float | None = None,
        new_style: bool = False, double_precision: bool = False,
    ) -> None:  # fmt: skip
        """Record a number.

        Args:
            tag: its name.
            scalar_value: a number, or a tensor of one element.
            global_step: the step it belongs to.
            walltime: seconds since the epoch, if not now.
            new_style: record it as a tensor, which loads faster.
            double_precision: keep 64 bits (a tensor as well).
        """
        value = _number("add_scalar", scalar_value)
        if new_style or double_precision:
            kind = np.dtype(np.float64 if double_precision else np.float32)
            self._tensor(tag, np.array(value, kind), "scalars", global_step, walltime)
        else:
            self._writer.add_scalar(tag, value, global_step, walltime)

    def add_scalars(
        self, main_tag: str, tag_scalar_dict: dict[str, Any], global_step: int | None = None,
        walltime: float | None = None,
    ) -> None:  # fmt: skip
        """Record several numbers to be drawn in one diagram, each in a file of its own.

        Args:
            main_tag: name of the diagram.
            tag_scalar_dict: the numbers by name.
            global_step, walltime: as for `add_scalar`.
        """
        numbers = {tag: _number("add_scalars", value) for tag, value in tag_scalar_dict.items()}
        for tag, value in numbers.items():
            folder = f"{self.log_dir}/{main_tag.replace('/', '_')}_{tag}"
            beside = self._beside.get(folder)
            if beside is None:
                made = SummaryWriter(folder, "", None, self.max_queue, self.flush_secs, self.filename_suffix)
                beside = self._beside[folder] = made
            beside.add_scalar(main_tag, value, global_step, walltime)

    def add_tensor(
        self, tag: str, tensor: Any, global_step: int | None = None, walltime: float | None = None
    ) -> None:
        """Record a tensor as it is.

        Args:
            tag: its name.
            tensor: of any shape, of numbers that TensorBoard knows.
            global_step, walltime: as for `add_scalar`.
        """
        self._tensor(tag, np.asarray(_plain(tensor)), "", global_step, walltime)

    def _tensor(self, tag: str, array: Any, plugin: str, step: Any, walltime: float | None) -> None:
        if array.dtype.name not in _CODES:
            raise NotImplementedError(f"add_tensor: TensorBoard has no numbers of type {array.dtype.name}")
        dims = [_shapes.TensorShapeProto.Dim(size=n) for n in array.shape]
        proto = _tensors.TensorProto(
            dtype=_CODES[array.dtype.name], tensor_shape=_shapes.TensorShapeProto(dim=dims),
            tensor_content=np.ascontiguousarray(array).tobytes(),
        )  # fmt: skip
        about = _records.SummaryMetadata(
            plugin_data=_records.SummaryMetadata.PluginData(plugin_name=plugin)
        )
        record = _records.Summary.Value(tag=tag, tensor=proto, metadata=about)
        self._record(_records.Summary(value=[record]), step, walltime)

    def add_hparams(
        self, hparam_dict: dict[str, Any], metric_dict: dict[str, Any],
        hparam_domain_discrete: dict[str, list[Any]] | None = None, run_name: str | None = None,
        global_step: int | None = None,
    ) -> None:  # fmt: skip
        """Record the hyperparameters of a run beside what it came to, in a run of their own.

        Args:
            hparam_dict: numbers, bools and strings by name.
            metric_dict: numbers by name.
            hparam_domain_discrete: for names, all values that they may take.
            run_name: of the run, which is a directory; by default the time.
            global_step: the step of the metrics.

        Raises:
            TypeError: if the first two are no dicts, or for values of other types.
        """
        if type(hparam_dict) is not dict or type(metric_dict) is not dict:
            raise TypeError("hparam_dict and metric_dict should be dictionary.")
        limits = hparam_domain_discrete or {}
        if not isinstance(limits, dict):
            raise TypeError("parameter: hparam_domain_discrete should be a dictionary, nothing logged.")
        for name, values in limits.items():
            kind = type(hparam_dict.get(name))
            listed = name in hparam_dict and isinstance(values, list)
            if not listed or not all(isinstance(value, kind) for value in values):
                raise TypeError(
                    f"parameter: hparam_domain_discrete[{name}] should be a list of same type as "
                    f"hparam_dict[{name}]."
                )
        given = {
            key: _plain(v).item() if isinstance(v, TensorBase) else v
            for key, v in hparam_dict.items()
            if v is not None
        }
        experiment, begin, end = _summary.hparams(given, metric_dict)
        for name, values in limits.items():
            _limit(experiment, name, values)
        folder = run_name or str(time.time())
        with SummaryWriter(f"{self.log_dir}/{folder}") as inner:
            for summary in (experiment, begin, end):
                inner._record(summary, global_step)
            for tag, value in metric_dict.items():
                inner.add_scalar(tag, value, global_step)

    def add_histogram(
        self, tag: str, values: Any, global_step: int | None = None, bins: Any = "tensorflow",
        walltime: float | None = None, max_bins: int | None = None,
    ) -> None:  # fmt: skip
        """Record how values are spread.

        Args:
            tag: a name.
            values: a tensor or array.
            bins: their edges, or "tensorflow" or a name that `numpy.histogram` knows.
            global_step, walltime: as for `add_scalar`.
            max_bins: how many at most.
        """
        self._writer.add_histogram(tag, _plain(values), global_step, _plain(bins), walltime, max_bins)

    def add_figure(
        self, tag: str, figure: Any, global_step: int | None = None, close: bool = True,
        walltime: float | None = None,
    ) -> None:  # fmt: skip
        """Record a figure of matplotlib, or several, as pictures.

        Args:
            tag: a name.
            figure: the figure, or a list of them.
            close: whether to close it then.
            global_step, walltime: as for `add_scalar`.
        """
        self._writer.add_figure(tag, figure, global_step, close, walltime)

    def add_video(
        self, tag: str, vid_tensor: Any, global_step: int | None = None, fps: float = 4,
        walltime: float | None = None,
    ) -> None:  # fmt: skip
        """Record a video (needs moviepy).

        Args:
            tag: a name.
            vid_tensor: (N, T, C, H, W), bytes or floats in [0, 1].
            fps: frames in a second.
            global_step, walltime: as for `add_scalar`.
        """
        self._writer.add_video(tag, _plain(vid_tensor), global_step, fps, walltime)

    def add_audio(
        self, tag: str, snd_tensor: Any, global_step: int | None = None, sample_rate: int = 44100,
        walltime: float | None = None,
    ) -> None:  # fmt: skip
        """Record a sound of one channel.

        Args:
            tag: a name.
            snd_tensor: (1, L) or (L,), samples in [-1, 1]; what lies outside is cut off, which is said.
            global_step, walltime: as for `add_scalar`.
            sample_rate: samples in a second.

        Raises:
            AssertionError: if there are several channels.
        """
        samples = np.asarray(_plain(snd_tensor)).squeeze()
        if samples.ndim != 1:
            raise AssertionError("input tensor should be 1 dimensional.")
        if abs(samples).max() > 1:
            print("warning: audio amplitude out of range, auto clipped.")
            samples = np.clip(samples, -1, 1)
        file = io.BytesIO()
        with wave.open(file, "wb") as sound:
            sound.setnchannels(1)
            sound.setsampwidth(2)
            sound.setframerate(sample_rate)
            sound.writeframes((samples * 32767).astype("<i2").tobytes())
        record = _records.Summary.Audio(
            sample_rate=sample_rate, num_channels=1, length_frames=len(samples),
            encoded_audio_string=file.getvalue(), content_type="audio/wav",
        )  # fmt: skip
        self._record(
            _records.Summary(value=[_records.Summary.Value(tag=tag, audio=record)]), global_step, walltime
        )

    def add_graph(
        self, model: Any, input_to_model: Any = None, verbose: bool = False, use_strict_trace: bool = True
    ) -> None:
        """Record a module's operations as a graph, which is traced at one forward.

        Args:
            model: the module.
            input_to_model: a tensor, or a tuple of arguments.
            verbose: whether to print the graph, too.
            use_strict_trace: changes nothing here.

        Raises:
            RuntimeError: if it cannot be traced.
        """
        graph = graph_of(model, () if input_to_model is None else input_to_model)
        if verbose:
            print(graph)
        event = _events.Event(graph_def=graph.SerializeToString())
        self._writer._get_file_writer().add_event(event)

    def flush(self) -> None:
        """Write what is waiting."""
        for writer in (self._writer, *self._beside.values()):
            writer.flush()

    def close(self) -> None:
        """Write what is waiting and close the files."""
        for writer in (self._writer, *self._beside.values()):
            writer.close()
        self._beside.clear()

    def __enter__(self) -> SummaryWriter:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


# Methods that take what tensorboardX takes.
_SAME: Final = {
    "add_histogram_raw": "Record how values are spread, counted already.",
    "add_image": "Record a picture, by default (C, H, W), bytes or floats in [0, 1].",
    "add_images": "Record pictures, by default (N, C, H, W), bytes or floats in [0, 1].",
    "add_image_with_boxes": "Record a picture with rectangles on it, rows of (left, top, right, bottom).",
    "add_text": "Record a text (Markdown).",
    "add_onnx_graph": "Record the graph of an ONNX file (needs onnx).",
    "add_embedding": "Record points in space, with what they are called and look like.",
    "add_pr_curve": "Record precision against recall, from labels and predicted probabilities.",
    "add_pr_curve_raw": "Record precision against recall, counted already.",
    "add_custom_scalars_multilinechart": "Lay out a diagram of several scalars.",
    "add_custom_scalars_marginchart": "Lay out a diagram of a scalar with its lower and upper bound.",
    "add_custom_scalars": "Lay out diagrams of scalars by categories.",
    "add_mesh": "Record points or triangles in space.",
}


def _given_as_arrays(name: str, what: str) -> Any:
    def method(self: SummaryWriter, *args: Any, **kwargs: Any) -> None:
        call = getattr(self._writer, name)
        call(*(_plain(a) for a in args), **{key: _plain(v) for key, v in kwargs.items()})

    method.__name__, method.__qualname__ = name, f"SummaryWriter.{name}"
    method.__doc__ = f"{what} The arguments are those of tensorboardX's method, with tensors for arrays."
    return method


for _name, _what in _SAME.items():
    setattr(SummaryWriter, _name, _given_as_arrays(_name, _what))


def _limit(experiment: Any, name: str, values: list[Any]) -> None:
    """Note which values a hyperparameter may take."""
    for record in experiment.value:
        content = _hparams.HParamsPluginData.FromString(record.metadata.plugin_data.content)
        for info in content.experiment.hparam_infos:
            if info.name == name:
                info.domain_discrete.CopyFrom(_structs.ListValue())
                info.domain_discrete.extend(values)
        record.metadata.plugin_data.content = content.SerializeToString()
