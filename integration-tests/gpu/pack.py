#!/usr/bin/env python3
"""Packs what the GPU checks need into parts that travel: `pack.py --help`.

The parts hold a Java runtime, Streamformer's class path, ONNX Runtime with its CUDA provider for
Java and Python, bundles in fp32 and fp16, and texts. `run.py` joins and unpacks them on a machine
with neither Java nor network.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import shutil
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
HOME = HERE.parents[1]
EXPORT = HOME / "model-export"
WORK = HERE / "work"
ORT_RELEASE = "1.31.1"
WHEEL = f"onnxruntime-gpu=={ORT_RELEASE}"
CUDA_LIBRARY = "libonnxruntime_providers_cuda.so"
# What Java's binding, Flink and Kafka ask for.
JAVA_MODULES = (
    "java.base,java.compiler,java.desktop,java.instrument,java.logging,java.management,"
    "java.management.rmi,"
    "java.naming,java.rmi,java.security.jgss,java.sql,java.xml,jdk.crypto.ec,jdk.httpserver,"
    "jdk.jfr,jdk.management,jdk.unsupported"
)
# Jars that a local run of the benchmark does not load.
NOT_NEEDED = ("scala-reflect", "async-profiler")
WITH_NATIVES = ("jna-", "lz4-java", "onnxruntime-", "snappy-java", "tokenizers-", "zstd-jni")
# Natives of other platforms, which these jars carry.
OTHER_PLATFORMS = (
    "win-", "osx-", "aarch64", "darwin", "freebsd", "aix", "sunos", "openbsd", "dragonfly",
    "loongarch", "mips", "ppc", "riscv", "s390", "/arm", "-arm", "win/", "Windows", "Mac/",
    "AIX", "SunOS", "FreeBSD", "Linux/x86/", "linux/i386", "linux-x86/", "Linux/armv", "android",
    "win32",
)  # fmt: skip
# The tiny models of the tests, one of each family, and the options that their export needs.
TINY = {
    "tiny-sentiment": (),
    "tiny-entities": (),
    "tiny-answers": (),
    "tiny-embeddings": (),
    "tiny-toxic": (),
    "tiny-similarity": (),
    "tiny-generation": (),
    "tiny-translation": ("--target-language", "fr"),
    "tiny-summary": ("--task", "summarization"),
    "tiny-many": ("--language", "fr", "--target-language", "fr", "--target-language", "en"),
    "tiny-bart": ("--task", "text2text-generation"),
    "tiny-mbart": ("--task", "text2text-generation"),
    "tiny-mt5": ("--task", "text2text-generation"),
}
DEFAULT = {"sentiment-en": (), "translation-en-fr": ("--target-language", "fr")}
# The providers whose functions Java's binding links to.
SHIMMED = ("CPU", "CUDA", "Tensorrt")
# An initializer of fewer bytes stays in its fp32 graph.
SPLICED_BYTES = 4096


def main() -> None:
    options = arguments()
    WORK.mkdir(exist_ok=True)
    download()
    with ThreadPoolExecutor() as pool:
        for done in [pool.submit(make, name, options) for name in COMPONENTS]:
            done.result()
    split(options.parts, options.part_mb * 1_000_000)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with sst2/ and multi30k/")
    parser.add_argument("--parts", type=Path, default=HERE / "parts", help="where the parts go")
    parser.add_argument("--part-mb", type=float, default=55, help="most megabytes of a part")
    parser.add_argument(
        "--arch",
        type=int,
        default=90,
        help="compute capability of the GPU, 90 for Hopper: code for others is zeroed in the CUDA "
        "provider that travels, which takes two thirds off it; 0 keeps the library as it is",
    )
    parser.add_argument("--preset", type=int, default=6, help="of xz, 0 (fast) to 9 (small)")
    parser.add_argument(
        "--again", nargs="*", default=[], choices=COMPONENTS, help="make these again"
    )
    return parser.parse_args()


def make(name: str, options: argparse.Namespace) -> None:
    archive = archive_of(name)
    if archive.exists() and name not in options.again:
        return
    folder = WORK / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    COMPONENTS[name](folder, options)
    compress(folder, archive, options.preset)
    print(f"{name}: {archive.stat().st_size / 1e6:.1f} MB", flush=True)


def archive_of(name: str) -> Path:
    return WORK / (f"{name}.tar" if name in PLAIN else f"{name}.tar.xz")


def compress(folder: Path, archive: Path, preset: int) -> None:
    """An archive of a folder's content; the x86 filter helps libraries and harms nothing."""
    new = archive.with_suffix(".new")
    tar = ["tar", "-C", folder, "--owner=0", "--group=0", "--sort=name", "-cf"]
    if archive.suffix == ".tar":
        subprocess.run([*tar, new, "."], check=True)
        new.rename(archive)
        return
    tar += ["-", "."]
    xz = ["xz", "-c", "--x86", f"--lzma2=preset={preset},dict=64MiB"]
    with new.open("wb") as out, subprocess.Popen(tar, stdout=subprocess.PIPE) as source:
        subprocess.run(xz, stdin=source.stdout, stdout=out, check=True)
    if source.returncode:
        raise SystemExit(f"tar ended with {source.returncode}.")
    new.rename(archive)


def split(parts: Path, size: float) -> None:
    """Cuts the archives into parts of at most `size` bytes, each with the scripts."""
    shutil.rmtree(parts, ignore_errors=True)
    scripts = [HERE / f"{name}.py" for name in ("run", "kit", "checks", "placement", "rates")]
    room = size - sum(path.stat().st_size for path in scripts)
    number, left = 0, 0.0
    for name in COMPONENTS:
        content = archive_of(name).read_bytes()
        chunk = 0
        while content:
            if left < 1_000_000:
                number, left = number + 1, room
                part = parts / f"part{number}"
                part.mkdir(parents=True)
            taken, content = content[: int(left)], content[int(left) :]
            (part / f"{archive_of(name).name}.{chunk:02}").write_bytes(taken)
            left -= len(taken)
            chunk += 1
    for path in scripts:
        shutil.copy(path, part)
    for part in sorted(parts.iterdir()):
        total = sum(path.stat().st_size for path in part.iterdir())
        print(f"{part}: {total / 1e6:.1f} MB")


# --- What is in the parts ---------------------------------------------------------------------


def download() -> None:
    if not any((WORK / "wheel").glob("*.whl")):
        run(sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:",
            "--python-version", "3.12", "--implementation", "cp", "--platform",
            "manylinux_2_28_x86_64", "--platform", "manylinux_2_27_x86_64", "-d", WORK / "wheel",
            WHEEL)  # fmt: skip


def java(folder: Path, options: argparse.Namespace) -> None:
    run("jlink", "--add-modules", JAVA_MODULES, "--strip-debug", "--no-man-pages",
        "--no-header-files", "--output", folder / "jre")  # fmt: skip


def classes(folder: Path, options: argparse.Namespace) -> None:
    """The class path of deploy/local, without natives of other platforms, and the kit's own."""
    local = HOME / "deploy/local"
    jars = [*local.glob("target/streamformer-local-*.jar"), *class_path()]
    out = folder / "classes"
    out.mkdir()
    for number, jar in enumerate(jars):
        to = out / f"{number:03}-{jar.name}"
        if jar.name.startswith(WITH_NATIVES):
            repack(jar, to)
        elif not jar.name.startswith(NOT_NEEDED):
            shutil.copy(jar, to)
    sources = [HOME / "integration-tests/src/test/java/io/streamformer/it/GpuRun.java"]
    run("javac", "-cp", ":".join(map(str, jars)), "-d", out / "kit", *sources)
    shutil.copy(local / "jvm.options", folder)


def repack(jar: Path, to: Path) -> None:
    with zipfile.ZipFile(jar) as source, zipfile.ZipFile(to, "w", zipfile.ZIP_DEFLATED) as out:
        for entry in source.infolist():
            native = entry.filename.endswith((".so", ".dll", ".dylib", ".jnilib", ".a", ".yml"))
            native |= "dSYM" in entry.filename or "/native/" in entry.filename
            ours = not any(other in entry.filename for other in OTHER_PLATFORMS)
            # ONNX Runtime's own natives come from `runtime`.
            if entry.is_dir() or (native and (not ours or "onnxruntime" in entry.filename)):
                continue
            out.writestr(entry.filename, source.read(entry))


def runtime(folder: Path, options: argparse.Namespace) -> None:
    """ONNX Runtime for Python (`site`), and for Java what lies in `native`."""
    with zipfile.ZipFile(next((WORK / "wheel").glob("*.whl"))) as content:
        for entry in content.infolist():
            if not entry.filename.endswith((CUDA_LIBRARY, "_tensorrt.so", "ThirdPartyNotices.txt")):
                content.extract(entry, folder / "site")
    capi = folder / "site/onnxruntime/capi"
    native = folder / "native"
    (native / "real").mkdir(parents=True)
    (capi / f"libonnxruntime.so.{ORT_RELEASE}").rename(native / "real/libonnxruntime.so")
    for name in ("libonnxruntime_providers_shared.so", CUDA_LIBRARY):
        # Java's binding looks beside itself, ONNX Runtime beside its own library.
        for at, to in ((native / "real", "../../site/onnxruntime/capi/"), (native, "real/")):
            (at / name).symlink_to(to + name)
    jar = gpu_binding()
    with zipfile.ZipFile(jar) as content:
        jni = "libonnxruntime4j_jni.so"
        (native / jni).write_bytes(content.read(f"ai/onnxruntime/native/linux-x64/{jni}"))
    functions = ["OrtGetApiBase"]
    functions += [f"OrtSessionOptionsAppendExecutionProvider_{p}" for p in SHIMMED]
    versions = WORK / "versions.map"
    release = jar.stem.removeprefix("onnxruntime_gpu-")
    versions.write_text(f"VERS_{release} {{ global: {'; '.join(functions)}; local: *; }};\n")
    run("gcc", "-shared", "-fPIC", "-O2", "-Wall", "-Wextra", "-Wl,-soname,libonnxruntime.so.1",
        f"-Wl,--version-script={versions}", "-o", native / "libonnxruntime.so",
        HERE / "ort_release_shim.c", "-ldl")  # fmt: skip


def gpu_binding() -> Path:
    """The jar of Java's binding whose JNI library knows CUDA: that of the CPU jar does not."""
    cpu = next(jar for jar in class_path() if jar.name.startswith("onnxruntime-"))
    release = cpu.stem.removeprefix("onnxruntime-")
    group = cpu.parents[2]
    jar = group / "onnxruntime_gpu" / release / f"onnxruntime_gpu-{release}.jar"
    if not jar.exists():
        run(HOME / "mvnw", "-q", "-f", HOME / "pom.xml", "dependency:get", "-Dtransitive=false",
            f"-Dartifact=com.microsoft.onnxruntime:onnxruntime_gpu:{release}")  # fmt: skip
    return jar


def class_path() -> list[Path]:
    listed = HOME / "deploy/local/target/classpath.txt"
    if not listed.exists():
        raise SystemExit("There is no class path yet: run ./mvnw -DskipTests package first.")
    return [Path(jar) for jar in listed.read_text().strip().split(":")]


def cuda(folder: Path, options: argparse.Namespace) -> None:
    with zipfile.ZipFile(next((WORK / "wheel").glob("*.whl"))) as content:
        entry = next(name for name in content.namelist() if name.endswith(CUDA_LIBRARY))
        content.extract(entry, folder / "site")
    if options.arch:
        keep_arch(folder / "site" / entry, options.arch)


def keep_arch(library: Path, arch: int) -> None:
    """Zeroes the GPU code for other architectures, where it lies: offsets stay, xz does the rest.

    A fatbin (header: magic, version, header size, size) is a row of entries, each with its kind,
    header size, size and, at byte 28, architecture. The driver takes the entry that fits its GPU
    and reads no other.
    """
    content = bytearray(library.read_bytes())
    start, size = section(content, b".nv_fatbin")
    at = start
    while at < start + size:
        magic, _, header, length = struct.unpack_from("<IHHQ", content, at)
        if magic != 0xBA55ED50:
            raise SystemExit(f"{library.name} has no fatbin at {at:#x}: take --arch 0.")
        entry, at = at + header, at + header + length
        while entry < at:
            _, _, entry_header, entry_size = struct.unpack_from("<HHIQ", content, entry)
            (of,) = struct.unpack_from("<I", content, entry + 28)
            payload = entry + entry_header
            entry = payload + entry_size
            if of != arch:
                content[payload:entry] = bytes(entry_size)
    library.write_bytes(content)


def section(elf: bytes, name: bytes) -> tuple[int, int]:
    """Offset and size of a section of a 64-bit ELF file."""
    (table,) = struct.unpack_from("<Q", elf, 0x28)
    entry, count, names = struct.unpack_from("<HHH", elf, 0x3A)
    headers = [struct.unpack_from("<IIQQQQ", elf, table + i * entry) for i in range(count)]
    for header in headers:
        at = headers[names][4] + header[0]
        if elf[at : elf.index(b"\0", at)] == name:
            return header[4], header[5]
    raise SystemExit(f"There is no section {name.decode()}: take --arch 0.")


def bundles(folder: Path, options: argparse.Namespace) -> None:
    """The default and the tiny bundles in fp32 and fp16, and Python's package to read them."""
    jobs = [(name, EXPORT / "weights" / name, more) for name, more in DEFAULT.items()]
    jobs += [(name, EXPORT / "tests/models" / name, more) for name, more in TINY.items()]
    for name, weights, more in jobs:
        bundle = folder / "bundles" / name
        run(sys.executable, "-m", "streamformer_export", "export", weights, bundle,
            "--language", "en", "--variant", "fp32", "--variant", "fp16", *more)  # fmt: skip
        splice(bundle)
    stored = HOME / "operator/core/src/test/resources/bundles"
    for name in ("tiny-student", "tiny-options"):
        shutil.copytree(stored / name, folder / "bundles" / name)
    package = EXPORT / "src/streamformer_export"
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(package, folder / "src" / package.name, ignore=ignored)


def splice(bundle: Path) -> None:
    """Takes out of the fp32 graph what is in the fp16 graph too, as half precision.

    The default bundles' weights are stored in half precision, so both have the same values. What
    was taken out is listed in splices.json; `run.py` puts it back.
    """
    import numpy as np
    import onnx

    if not (bundle / "model.fp16.onnx").exists():
        return
    half = (bundle / "model.fp16.onnx").read_bytes()
    content = (bundle / "model.fp32.onnx").read_bytes()
    found: list[tuple[int, int, int]] = []
    ends: dict[bytes, int] = {}
    for tensor in tensors(onnx.load_from_string(content).graph):
        data = tensor.raw_data
        if tensor.data_type != onnx.TensorProto.FLOAT or len(data) < SPLICED_BYTES:
            continue
        values = np.frombuffer(data, np.float32)
        with np.errstate(over="ignore"):
            halves = values.astype(np.float16)
        # The same values may be there more than once.
        at, source = content.find(data, ends.get(data, 0)), half.find(halves.tobytes())
        if at >= 0 and source >= 0 and (halves.astype(np.float32) == values).all():
            found.append((at, source, values.size))
            ends[data] = at + len(data)
    kept, end = [], 0
    for at, _, count in sorted(found):
        kept.append(content[end:at])
        end = at + 4 * count
    kept.append(content[end:])
    (bundle / "model.fp32.onnx").write_bytes(b"".join(kept))
    (bundle / "splices.json").write_text(json.dumps(sorted(found)))


def tensors(graph: Any) -> Iterator[Any]:
    """Every stored tensor of a graph and of the bodies in it."""
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            if attribute.HasField("g"):
                yield from tensors(attribute.g)


def texts(folder: Path, options: argparse.Namespace) -> None:
    """SST-2's development set; captions that no model was trained on, with their references."""
    out = folder / "texts"
    out.mkdir()
    for name, source in {
        "sst2.tsv": "sst2/dev.tsv.gz",
        "captions.en": "multi30k/test_2016_flickr.en.gz",
        "captions.fr": "multi30k/test_2016_flickr.fr.gz",
    }.items():
        with gzip.open(options.data / source) as file:
            (out / name).write_bytes(file.read())


def run(*command: object) -> None:
    # This checkout's export, whatever is installed.
    environment = {**os.environ, "PYTHONPATH": str(EXPORT / "src")}
    parts = [str(part) for part in command]
    done = subprocess.run(parts, capture_output=True, text=True, env=environment)
    if done.returncode:
        raise SystemExit(f"{command[0]} failed:\n{done.stdout[-2000:]}{done.stderr[-4000:]}")


COMPONENTS: dict[str, Callable[[Path, argparse.Namespace], None]] = {
    "runtime": runtime,
    "cuda": cuda,
    "java": java,
    "classes": classes,
    "texts": texts,
    "bundles": bundles,
}

# Jars and half-precision weights: xz takes long over them and gains little.
PLAIN = ("classes", "bundles")

if __name__ == "__main__":
    main()
