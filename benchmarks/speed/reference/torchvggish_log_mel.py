"""torchvggish's log-mel spectrogram of a sound, with torchvggish's parameters.

`benchmarks/speed/vggish.py` and a test compare with it.
"""

from __future__ import annotations

import numpy as np
from torchvggish import mel_features, vggish_params


def torchvggish_log_mel(sound: np.ndarray) -> np.ndarray:
    """Frames `[N, 64]` of sound `[S]` at 16 kHz."""
    return mel_features.log_mel_spectrogram(
        sound,
        audio_sample_rate=vggish_params.SAMPLE_RATE,
        log_offset=vggish_params.LOG_OFFSET,
        window_length_secs=vggish_params.STFT_WINDOW_LENGTH_SECONDS,
        hop_length_secs=vggish_params.STFT_HOP_LENGTH_SECONDS,
        num_mel_bins=vggish_params.NUM_MEL_BINS,
        lower_edge_hertz=vggish_params.MEL_MIN_HZ,
        upper_edge_hertz=vggish_params.MEL_MAX_HZ,
    )
