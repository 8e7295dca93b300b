"""G.711, WAV and Sun audio files, and how alike two sounds are. For prompts, recordings, the phone of `tierline call` and tests.

Samples are numpy int16 arrays at 8 kHz, one channel, unless told.
"""

from __future__ import annotations

import io
import struct
import wave
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Samples: TypeAlias = npt.NDArray[np.int16]
RATE = 8000
AU_HEADER = struct.Struct(">4sIIIII")
AU_ALAW = 27  # encoding number of A-law in a .au header


class BadAudio(ValueError):
    """Not a file of the kind that was asked for; the text says why."""


def _alaw_table() -> Samples:
    """ITU-T G.711 table 1: A-law byte -> sample."""
    code = np.arange(256, dtype=np.int32) ^ 0x55
    segment, value = (code & 0x70) >> 4, (code & 0x0F) << 4
    size = np.where(segment == 0, value + 8, (value + 0x108) << np.maximum(segment - 1, 0))
    return np.where(code & 0x80, size, -size).astype(np.int16)


def _ulaw_table() -> Samples:
    """ITU-T G.711 table 2: mu-law byte -> sample."""
    code = ~np.arange(256, dtype=np.int32) & 0xFF
    size = ((((code & 0x0F) << 3) + 0x84) << ((code & 0x70) >> 4)) - 0x84
    return np.where(code & 0x80, -size, size).astype(np.int16)


def _encoder(decoder: Samples) -> npt.NDArray[np.uint8]:
    """For each sample from -32768 the byte whose sample is nearest."""
    order = np.argsort(decoder, kind="stable")
    values = decoder[order].astype(np.int32)
    line = np.arange(-32768, 32768)
    at = np.clip(np.searchsorted(values, line), 1, 255)
    lower = np.abs(line - values[at - 1]) <= np.abs(values[at] - line)
    return order[np.where(lower, at - 1, at)].astype(np.uint8)


ALAW, ULAW = _alaw_table(), _ulaw_table()
_ALAW_BYTES, _ULAW_BYTES = _encoder(ALAW), _encoder(ULAW)


def encode_alaw(samples: Samples) -> bytes:
    """PCMA, one byte a sample."""
    return _ALAW_BYTES[samples.astype(np.int32) + 32768].tobytes()


def encode_ulaw(samples: Samples) -> bytes:
    """PCMU, one byte a sample."""
    return _ULAW_BYTES[samples.astype(np.int32) + 32768].tobytes()


def decode_alaw(data: bytes) -> Samples:
    """Samples of PCMA bytes."""
    return ALAW[np.frombuffer(data, np.uint8)]


def decode_ulaw(data: bytes) -> Samples:
    """Samples of PCMU bytes."""
    return ULAW[np.frombuffer(data, np.uint8)]


def read_wav(path: Path) -> tuple[Samples, int]:
    """(samples, rate) of a 16-bit WAV: one-dimensional for one channel, else frames x channels. Raises BadAudio, OSError."""
    try:
        with wave.open(str(path), "rb") as file:
            if file.getsampwidth() != 2:
                raise BadAudio(f"{path}: {8 * file.getsampwidth()}-bit samples, want 16")
            samples = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.int16)
            channels, rate = file.getnchannels(), file.getframerate()
    except (wave.Error, EOFError) as error:
        raise BadAudio(f"{path}: no WAV: {error}") from error
    return (samples if channels == 1 else samples.reshape(-1, channels)), rate


def wav_bytes(samples: Samples, rate: int = RATE) -> bytes:
    """A 16-bit WAV file of samples (one-dimensional, or frames x channels)."""
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1 if samples.ndim == 1 else samples.shape[1])
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.astype("<i2").tobytes())
    return out.getvalue()


def write_wav(path: Path, samples: Samples, rate: int = RATE) -> None:
    """Write a 16-bit WAV."""
    path.write_bytes(wav_bytes(samples, rate))


def au_bytes(samples: Samples) -> bytes:
    """An A-law Sun audio file at 8 kHz: what rtpengine plays evenly."""
    data = encode_alaw(samples)
    return AU_HEADER.pack(b".snd", AU_HEADER.size, len(data), AU_ALAW, RATE, 1) + data


def read_au(path: Path) -> Samples:
    """Samples of an 8 kHz A-law Sun audio file. Raises BadAudio, OSError."""
    data = path.read_bytes()
    if len(data) < AU_HEADER.size:
        raise BadAudio(f"{path}: too short for a .au file")
    magic, start, _, encoding, rate, channels = AU_HEADER.unpack_from(data)
    if magic != b".snd" or (encoding, rate, channels) != (AU_ALAW, RATE, 1):
        raise BadAudio(f"{path}: want A-law, 8000 Hz, one channel")
    return decode_alaw(data[start:])


def correlation(reference: Samples, signal: Samples) -> tuple[float, int]:
    """(peak, lag): how alike `reference` and the best-fitting stretch of `signal` are (-1..1), and where that begins, in samples.

    1 is the same up to loudness, 0 nothing in common. Normalised over the stretch where both overlap.
    """
    ref, sig = reference.astype(np.float64), signal.astype(np.float64)
    if not ref.any() or not sig.any():
        return 0.0, 0
    size = 1 << (len(ref) + len(sig)).bit_length()
    cross = np.fft.irfft(np.fft.rfft(sig, size) * np.conj(np.fft.rfft(ref, size)), size)
    best = int(np.argmax(cross))
    lag = best if best < len(sig) else best - size
    start, end = max(0, lag), min(len(sig), lag + len(ref))
    one, other = sig[start:end], ref[start - lag : end - lag]
    power = float(np.sqrt((one @ one) * (other @ other)))
    return (float(one @ other) / power if power else 0.0), lag
