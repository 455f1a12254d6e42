"""BrainFlow's own Cyton client, unmodified: what it reads of a port, as JSON.

A program of its own: its library keeps threads and logs of its own, and on Python 3.11 it
imports pkg_resources, which warns.
"""

from __future__ import annotations

import json
import sys
import time

from brainflow.board_shim import BoardIds, BoardShim, BrainFlowInputParams


def main(port: str, samples: int) -> None:
    """Read so many samples and print what came."""
    BoardShim.disable_board_logger()
    parameters = BrainFlowInputParams()
    parameters.serial_port = port
    board = BoardShim(BoardIds.CYTON_BOARD, parameters)
    board.prepare_session()
    answer = board.config_board("x1030110X")
    board.config_board("d")
    board.start_stream()
    while board.get_board_data_count() < samples:
        time.sleep(0.05)
    board.stop_stream()
    rows = board.get_board_data()
    board.release_session()
    names = BoardShim.get_board_descr(BoardIds.CYTON_BOARD)
    print(  # noqa: T201
        json.dumps(
            {
                "answer": answer,
                "counter": rows[names["package_num_channel"]].tolist(),
                "eeg_uv": rows[names["eeg_channels"]].tolist(),
                "accel_g": rows[names["accel_channels"], -1].tolist(),
            }
        )
    )


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
