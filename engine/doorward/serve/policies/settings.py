"""The settings of how policies arrive: from where, how often, with which credentials, and who must have signed them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, ClassVar, Final, Literal, TypeAlias
from urllib.parse import SplitResult, urlsplit

from pydantic import Field, ValidationInfo, model_validator

from doorward.bundle import ALGORITHMS, Verification
from doorward.bundle.signatures import read_key
from doorward.serve.configuration.section import ConfigFile, Section, is_loopback, resolved

__all__ = ["PolicySettings", "ShadowSettings", "SignatureKey", "SignatureSettings"]

_Kind: TypeAlias = Literal["path", "bundle", "git"]

_GIT: Final = "git+"
_SCHEMES: Final[dict[_Kind, tuple[str, ...]]] = {
    "path": ("",),
    "bundle": ("https", "http"),
    "git": ("https", "http", "ssh", "file"),
}
_FOR: Final[dict[str, tuple[_Kind, ...]]] = {
    "min_delay_seconds": ("bundle", "git"),
    "max_delay_seconds": ("bundle", "git"),
    "timeout_seconds": ("bundle", "git"),
    "token_file": ("bundle", "git"),
    "token_env": ("bundle", "git"),
    "ca": ("bundle", "git"),
    "client_cert": ("bundle", "git"),
    "client_key": ("bundle", "git"),
    "proxy": ("bundle", "git"),
    "allow_plaintext": ("bundle", "git"),
    "username": ("git",),
    "credential_helper": ("git",),
    "ssh_key": ("git",),
    "ssh_known_hosts": ("git",),
    "signers": ("git",),
    "signatures": ("path", "bundle"),
}
"""Settings that only some kinds of source know."""


class SignatureKey(Section):
    """One key by which a bundle may be signed."""

    file: ConfigFile
    """A public key or certificate in PEM, or the secret of the HS algorithms. Read again for every bundle."""
    algorithm: Literal[ALGORITHMS] = "RS256"  # type: ignore[valid-type]
    """The only algorithm taken with this key."""
    keyid: str | None = None
    """What the signature must call the key, where that is asked for."""


class SignatureSettings(Section):
    """By whom bundles must be signed."""

    keys: tuple[SignatureKey, ...] = Field(min_length=1, max_length=16)
    """Any of these: while one key takes the place of another, both are named."""
    scope: str | None = None
    """The scope that the signature must be for."""
    required: bool = True
    """Refuse what is not signed. Otherwise only a signature that is there must verify."""

    def verifications(self) -> list[Verification]:
        """The keys as they are now. Raises OSError."""
        return [
            Verification(read_key(key.file, key.algorithm), key.algorithm, self.scope, key.keyid)
            for key in self.keys
        ]


class PolicySettings(Section):
    """Where policies come from. Where there is nothing else to say, `source` may stand alone."""

    stands_for: ClassVar[str] = "source"

    source: str = Field(min_length=1, max_length=4096)
    """A directory, a file, a bundle (`.tar.gz`), `https://host/bundle.tar.gz`, or a git remote: `git+https://host/repo#ref:folder`,
    `git+ssh://git@host/repo`, `git+file:///repo`; without a ref, the remote's own branch.
    """
    signatures: SignatureSettings | None = None
    max_bytes: int = Field(default=128 << 20, ge=1 << 10, le=1 << 30)
    """Largest bundle, or pack of git objects, that is taken, as it travels."""
    min_delay_seconds: float = Field(default=10.0, ge=0.1, le=86_400)
    """The source is asked again after a time chosen at random between this one"""
    max_delay_seconds: float = Field(default=20.0, ge=0.1, le=86_400)
    """and this one; after failures within a second, and then ever more slowly up to this."""
    timeout_seconds: float = Field(default=30.0, gt=0, le=3600)
    """For one answer, from the connection to its last byte."""
    token_file: ConfigFile | None = None
    """A bearer token; for git the password. Read again each time."""
    token_env: str | None = None
    """The same, by the name of a variable of the environment."""
    username: str = Field(default="x-access-token", pattern=r"^[!-~]+$")
    """Of the token, for git over HTTPS: `x-access-token` at GitHub, `oauth2` at GitLab."""
    ca: ConfigFile | None = None
    """PEM authorities of the server, in place of the system's."""
    client_cert: ConfigFile | None = None
    """PEM certificate to show to the server,"""
    client_key: ConfigFile | None = None
    """and its key."""
    proxy: str | None = Field(default=None, pattern=r"^https?://[^\s]+$")
    """URL of a proxy. What the environment says of proxies is not looked at."""
    allow_plaintext: bool = False
    """Take policies, and send tokens, over `http://` from another host, as where a mesh encrypts."""
    credential_helper: str | None = None
    """A git credential helper, as `credential.helper` in git's own configuration, which is not read."""
    ssh_key: ConfigFile | None = None
    """Private key for `git+ssh`; without one, an agent in SSH_AUTH_SOCK is asked."""
    ssh_known_hosts: ConfigFile | None = None
    """Host keys for `git+ssh`, in the form of `known_hosts`."""
    signers: ConfigFile | None = None
    """Whose signature (by SSH) the commit, or the annotated tag, must carry: a file in the form of git's `allowedSignersFile`."""

    @model_validator(mode="before")
    @classmethod
    def _may_stand_alone(cls, value: Any, info: ValidationInfo) -> Any:
        if isinstance(value, str):
            value = {"source": value}
        source = value.get("source") if isinstance(value, dict) else None
        if isinstance(source, str) and source and "://" not in source:
            return {**value, "source": str(resolved(Path(source), info))}
        return value

    @model_validator(mode="after")
    def _fits_together(self) -> PolicySettings:
        parts = self._split()
        known = _SCHEMES[self.kind]
        if parts.scheme not in known:
            shown = ", ".join(f"`{_GIT * (self.kind == 'git')}{one}://`" for one in known)
            raise ValueError(f"`{self.name}`: policies come from {shown} or from a path")
        strange = next(
            (name for name in sorted(self.model_fields_set) if self.kind not in _FOR.get(name, (self.kind,))),
            None,
        )
        if strange is not None:
            where = {"path": "a path", "bundle": "a bundle from a URL", "git": "a git remote"}
            raise ValueError(f"`{strange}` says nothing of {where[self.kind]}")
        if self.kind != "path":
            self._check_url(parts)
        return self

    def _check_url(self, parts: SplitResult) -> None:
        if parts.scheme != "file" and not parts.hostname:
            raise ValueError(f"`{self.name}` names no host")
        if parts.password is not None or (parts.username and parts.scheme != "ssh"):
            raise ValueError("credentials do not belong in a URL: give `token_file` or `token_env`")
        if self.kind == "bundle" and parts.fragment:
            raise ValueError(f"`{self.name}`: a `#` means something only for `git+https://…`")
        plain = parts.scheme == "http" and not self.allow_plaintext
        if plain and not is_loopback(f"{parts.hostname}:0"):
            raise ValueError(
                f"whoever is on the way could change what comes from `{self.name}`: use https, "
                "or say `allow_plaintext: true` where something else encrypts"
            )
        if self.min_delay_seconds > self.max_delay_seconds:
            raise ValueError("`min_delay_seconds` is more than `max_delay_seconds`")
        if self.token_file is not None and self.token_env is not None:
            raise ValueError("`token_file` and `token_env` exclude each other")
        if (self.client_cert is None) != (self.client_key is None):
            raise ValueError("`client_cert` and `client_key` go together")
        if self.kind == "git" and self.ref.startswith("-"):
            raise ValueError(f"`{self.ref}` is no name of a git reference")

    @property
    def kind(self) -> _Kind:
        """What kind of source it is."""
        if self.source.startswith(_GIT):
            return "git"
        return "bundle" if "://" in self.source else "path"

    @property
    def url(self) -> str:
        """For a git remote: without the mark before it and the fragment behind it. Of others, the source as it is."""
        return self.source.removeprefix(_GIT).partition("#")[0] if self.kind == "git" else self.source

    @property
    def ref(self) -> str:
        """For a git remote: the branch, tag, full name of a reference, or commit."""
        return self._split().fragment.partition(":")[0] or "HEAD"

    @property
    def folder(self) -> str:
        """For a git remote: where in the tree the policies are; empty for all of it."""
        return self._split().fragment.partition(":")[2].strip("/")

    @property
    def name(self) -> str:
        """The source as it may stand in a log: a query of a URL can hold a secret."""
        if self.kind == "path":
            return self.source
        parts = self._split()
        host = parts.netloc.rpartition("@")[2]
        shown = parts._replace(netloc=host, query="…" if parts.query else "").geturl()
        return _GIT + shown if self.kind == "git" else shown

    def token(self) -> str | None:
        """The token as it is now. Raises ValueError, OSError."""
        if self.token_file is not None:
            token = self.token_file.read_text("ascii").strip()
        elif self.token_env is not None:
            token = os.environ.get(self.token_env, "").strip()
        else:
            return None
        if not token or not token.isascii() or not token.isprintable():
            place = f"`{self.token_file}`" if self.token_file is not None else f"${self.token_env}"
            raise ValueError(f"{place} holds no token")
        return token

    def _split(self) -> SplitResult:
        if self.kind == "path":
            return SplitResult("", "", self.source, "", "")
        return urlsplit(self.source.removeprefix(_GIT))


class ShadowSettings(Section):
    """Policies that are tried beside those in force: they answer nobody."""

    policies: PolicySettings
    sample: float = Field(default=1.0, gt=0, le=1)
    """The part of the requests that they are asked about, chosen at random."""
    per_second: int = Field(default=500, ge=1, le=100_000)
    """How many requests a second they are asked about at most, by each worker process."""
