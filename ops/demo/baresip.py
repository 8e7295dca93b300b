"""A seat with a real softphone: baresip, not of our making, registers, answers by itself and says its file."""

from __future__ import annotations

from pathlib import Path

MODULES = "/usr/lib/baresip/modules"
SAYS_S = 600.0  # its file is played once: long enough for any call here
CONFIG = """\
poll_method epoll
sip_listen {address}:{port}
call_local_timeout 120
call_max_calls 2
audio_player aubridge,{seat}
audio_alert aubridge,{seat}-alert
audio_source aufile,{audio}
auenc_format s16
audec_format s16
ausrc_format s16
auplay_format s16
ausrc_srate 8000
auplay_srate 8000
ausrc_channels 1
auplay_channels 1
rtp_tos 184
rtp_ports {low}-{high}
rtcp_mux no
jitter_buffer_delay 1-5
rtp_stats no
net_interface {address}
module_path {modules}
module g711.so
module aufile.so
module aubridge.so
module_tmp uuid.so
module_tmp account.so
module_app menu.so
"""
ACCOUNT = (
    '"{seat}" <sip:{seat}@{realm};transport={transport}>;auth_user={seat};auth_pass={password}'
    ';outbound="sip:{edge};transport={transport}";answermode=auto;regint=60;audio_codecs=PCMA/8000/1;ptime=20\n'
)


def prepare(folder: Path, values: dict[str, object]) -> list[str]:
    """Write its files into `folder` (made anew, private) and give the command that starts it.

    To be started in `folder`: a path that baresip is told may have no more than 127 bytes, so all are relative to it.
    `values`: seat, realm, password, edge (host:port), transport, address, port, audio (relative too), low, high.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    (folder / "config").write_text(CONFIG.format(modules=MODULES, **values))
    (folder / "accounts").write_text(ACCOUNT.format(**values))
    (folder / "accounts").chmod(0o600)
    (folder / "contacts").write_text("")
    return ["stdbuf", "-oL", "baresip", "-f", "."]


def registered(line: str) -> bool:
    """Whether a line of its output tells of a registration that was accepted."""
    return "200 OK" in line and "binding" in line
