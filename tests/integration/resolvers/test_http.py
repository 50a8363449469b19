"""The HTTP resolver against real servers, and what it must never ask."""

from __future__ import annotations

import ipaddress
import re
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from address_forms import forms_of
from moorage.devfile import DevfileError, Reference, ResolutionError, flatten, parse
from moorage.resolvers.http import DigestCache, HttpResolver, Limits

PARENT = b"schemaVersion: 2.2.0\ncomponents: [{name: py, container: {image: i}}]\n"
OTHER = b"password: s3cret\ntoken: [s3cret\n"
LOOPBACK = ("127.0.0.0/8",)


class Handler(BaseHTTPRequestHandler):
    """Answers as the path says."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        server = self.server
        assert isinstance(server, Server)
        server.asked.append((self.headers["Host"], self.path, dict(self.headers)))
        name, _, rest = self.path.strip("/").partition("/")
        if name == "redirect":
            self.answer(302, b"", Location=rest.replace("_", "/") if ":" in rest else f"/{rest}")
        elif name == "odd":
            self.answer(302, b"", Location="//[")
        elif name == "loop":
            self.answer(302, b"", Location="/loop")
        elif name == "large":
            self.answer(200, b"#" * 4_000_000)
        elif name == "endless":
            self.endless()
        elif name == "slow-headers":
            self.slow_headers()
        elif name == "packed":
            self.answer(200, b"x", **{"Content-Encoding": "gzip"})
        elif name == "other.yaml":
            self.answer(200, OTHER)
        elif name in ("devfiles", "parent.yaml", "dir"):
            self.answer(200, PARENT)
        else:
            self.answer(404, b"not here")

    def answer(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def endless(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.drip(b"#")

    def slow_headers(self) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\n")
        self.drip(b"X-A: b\r\n")

    def drip(self, piece: bytes) -> None:
        server = self.server
        assert isinstance(server, Server)
        try:
            while not server.ended.wait(0.05):
                self.wfile.write(piece)
        except OSError:
            self.close_connection = True

    def log_message(self, *_: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[tuple[str, str, dict[str, str]]] = []
        self.ended = threading.Event()

    @property
    def port(self) -> int:
        return int(self.server_address[1])


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as made:
        thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield made
        made.ended.set()
        made.shutdown()
        thread.join()


@pytest.fixture
def resolver(server: Server) -> Callable[..., HttpResolver]:
    """Every name is at the server; loopback is allowed unless the test says otherwise."""

    def make(hosts: tuple[str, ...] = ("devfiles.example:*",), **given: object) -> HttpResolver:
        named = [
            host.replace("*", str(server.port)) if host.endswith(":*") else host for host in hosts
        ]
        arguments: dict[str, object] = {
            "networks": LOOPBACK,
            "insecure": True,
            "lookup": lambda host, port: ["127.0.0.1"],
            **given,
        }
        return HttpResolver(named, **arguments)  # type: ignore[arg-type]

    return make


Make = Callable[..., HttpResolver]


def _code(resolver: HttpResolver, uri: str) -> str:
    with pytest.raises(ResolutionError) as caught:
        resolver.resolve(Reference(uri=uri))
    assert caught.value.message.endswith(".")
    return caught.value.code


def test_a_parent_comes_over_http(server: Server, resolver: Make) -> None:
    """Flattening fetches the parent from an allowed host, by uri, and asks for it by the host's
    name."""
    url = f"http://devfiles.example:{server.port}/parent.yaml"
    flat = flatten(parse(f"schemaVersion: 2.2.0\nparent: {{uri: '{url}'}}"), resolver()).devfile
    assert [component.name for component in flat.components] == ["py"]
    host, path, headers = server.asked[0]
    assert (host, path) == (f"devfiles.example:{server.port}", "/parent.yaml")
    assert not {"cookie", "authorization"} & {name.lower() for name in headers}


def test_a_parent_comes_from_a_registry(server: Server, resolver: Make) -> None:
    """An id is looked for at `{registryUrl}/devfiles/{id}/{version}`, the installation's registry
    by default."""
    registry = f"http://devfiles.example:{server.port}/"
    made = resolver(registry=registry)
    assert made.resolve(Reference(id="go", version="1.2.0")).text == PARENT
    assert made.resolve(Reference(id="java/maven", registry_url=registry + "dir")).text == PARENT
    assert [path for _, path, _ in server.asked] == [
        "/devfiles/go/1.2.0",
        "/dir/devfiles/java/maven",
    ]
    with pytest.raises(ResolutionError) as caught:
        resolver().resolve(Reference(id="go"))
    assert caught.value.code == "no-registry"


def test_a_relative_uri_starts_at_the_document(server: Server, resolver: Make) -> None:
    """A parent's own parent may be named relative to it."""
    base = f"http://devfiles.example:{server.port}/dir/one.yaml"
    resolver().resolve(Reference(uri="two.yaml", base=base))
    assert server.asked[0][1] == "/dir/two.yaml"
    with pytest.raises(ResolutionError, match="is no URL"):
        resolver().resolve(Reference(uri="//[", base=base))


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("http://evil.example/x", "host-not-allowed"),
        ("http://devfiles.example/x", "host-not-allowed"),
        ("http://127.0.0.1:{port}/x", "host-not-allowed"),
        ("http://devfiles.example.evil.example:{port}/x", "host-not-allowed"),
        ("http://xdevfiles.example:{port}/x", "host-not-allowed"),
        ("http://user:secret@devfiles.example:{port}/x", "bad-url"),
        ("http://devfiles.example:{port}@evil.example/x", "bad-url"),
        ("file:///etc/passwd", "bad-url"),
        ("gopher://devfiles.example:{port}/x", "bad-url"),
        ("//devfiles.example:{port}/x", "bad-url"),
        ("relative.yaml", "bad-url"),
        ("http://", "bad-url"),
        ("http://[::1/x", "bad-url"),
        ("http://devfiles.example:99999/x", "bad-url"),
        ("http://d\u00e9vfiles.example/x", "bad-url"),
        ("http://devfiles.example:{port}/none", "import-not-found"),
        ("http://devfiles.example:{port}/loop", "too-many-redirects"),
        ("http://devfiles.example:{port}/large", "too-large"),
        ("http://devfiles.example:{port}/packed", "fetch-failed"),
        (
            "http://devfiles.example:{port}/redirect/http:__127.0.0.1:{port}_parent.yaml",
            "host-not-allowed",
        ),
        (
            "http://devfiles.example:{port}/redirect/http:__evil.example:{port}_x",
            "host-not-allowed",
        ),
        ("http://devfiles.example:{port}/redirect/file:___etc_passwd", "bad-url"),
        ("http://devfiles.example:{port}/odd", "bad-url"),
    ],
)
def test_what_is_not_fetched(server: Server, resolver: Make, url: str, code: str) -> None:
    """Only allowed hosts, schemes, sizes and redirects; each failure says which."""
    assert _code(resolver(), url.replace("{port}", str(server.port))) == code
    assert all(host.startswith("devfiles.example") for host, _, _ in server.asked)


def test_nothing_is_shown_of_a_page_that_is_no_devfile(server: Server, resolver: Make) -> None:
    """A page of an allowed host that is something else is named, and not a word of it is in the
    error."""
    url = f"http://devfiles.example:{server.port}/other.yaml"
    with pytest.raises(DevfileError) as caught:
        flatten(parse(f"schemaVersion: 2.2.0\nparent: {{uri: '{url}'}}"), resolver())
    (problem,) = caught.value.problems
    assert (problem.code, problem.message) == ("not-a-devfile", f"{url} is no devfile.")
    assert problem.line == 2, "where the devfile names it"
    told = f"{caught.value} {caught.value.details} {problem}"
    assert not {"password", "s3cret", "token"} & set(re.findall("[a-z0-9]+", told))


def test_a_redirect_within_the_rules_is_followed(server: Server, resolver: Make) -> None:
    """A redirect to an allowed host works; the address is that of the reference."""
    url = f"http://devfiles.example:{server.port}/redirect/parent.yaml"
    resolved = resolver().resolve(Reference(uri=url))
    assert (resolved.text, resolved.address) == (PARENT, url)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.8.8.8", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0",
        *forms_of("169.254.169.254").values(), "224.0.0.1", "240.0.0.1", "255.255.255.255", "::1", "::", "fe80::1", "fc00::1", "fd00:ec2::254", "ff02::1",
        "fec0::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "2002:a00:1::", "::127.0.0.1",
    ],
)  # fmt: skip
def test_a_name_that_leads_inside_is_refused(server: Server, resolver: Make, address: str) -> None:
    """An allowed name whose DNS answer is a private, loopback, link-local or otherwise closed
    address is not asked."""
    made = resolver(networks=(), lookup=lambda host, port: [address])
    assert (
        _code(made, f"http://devfiles.example:{server.port}/parent.yaml") == "address-not-allowed"
    )
    mixed = resolver(networks=(), lookup=lambda host, port: ["8.8.8.8", address])
    assert (
        _code(mixed, f"http://devfiles.example:{server.port}/parent.yaml") == "address-not-allowed"
    )
    assert server.asked == []


def test_a_name_is_resolved_once(server: Server, resolver: Make) -> None:
    """The connection goes to the address that was checked: a DNS that answers otherwise the second
    time gains nothing."""
    answers = iter([["127.0.0.1"], ["127.0.0.2"]])
    asked: list[str] = []

    def lookup(host: str, port: int) -> list[str]:
        asked.append(host)
        return next(answers)

    resolver(lookup=lookup).resolve(
        Reference(uri=f"http://devfiles.example:{server.port}/parent.yaml")
    )
    assert asked == ["devfiles.example"]
    assert len(server.asked) == 1


def test_each_redirect_is_resolved_and_checked_anew(server: Server, resolver: Make) -> None:
    """A redirect to an allowed name that leads inside is refused after its own lookup."""
    addresses = {"devfiles.example": "127.0.0.1", "inner.example": "127.0.0.2"}
    made = resolver(
        ("devfiles.example:*", "inner.example:*"),
        networks=("127.0.0.1/32",),
        lookup=lambda host, port: [addresses[host]],
    )
    url = f"http://devfiles.example:{server.port}/redirect/http:__inner.example:{server.port}_parent.yaml"
    assert _code(made, url) == "address-not-allowed"
    assert [host for host, _, _ in server.asked] == [f"devfiles.example:{server.port}"]


@pytest.mark.parametrize("path", ["endless", "slow-headers"])
def test_a_slow_server_is_left_after_the_time_limit(
    server: Server, resolver: Make, path: str
) -> None:
    """A server that sends a byte now and then, in the body or in the headers, does not hold anyone
    for long."""
    started = time.monotonic()
    made = resolver(limits=Limits(seconds=0.5))
    assert _code(made, f"http://devfiles.example:{server.port}/{path}") == "fetch-timeout"
    assert time.monotonic() - started < 3


def test_a_host_that_nobody_knows(resolver: Make) -> None:
    """A name without an address is told from one that is not allowed."""

    def lookup(host: str, port: int) -> list[str]:
        raise socket.gaierror(-2, "Name or service not known")

    assert (
        _code(resolver(("nobody.example",), lookup=lookup), "http://nobody.example/x")
        == "host-not-found"
    )


def test_wildcards_are_for_hosts_below_a_domain(resolver: Make) -> None:
    """`*.example.org` allows a.example.org and not example.org itself, nor another that ends
    alike."""
    made = resolver(("*.example.org",), networks=(), lookup=lambda host, port: ["127.0.0.1"])
    assert _code(made, "http://a.example.org/x") == "address-not-allowed"
    assert _code(made, "http://a.b.example.org/x") == "address-not-allowed"
    assert _code(made, "http://example.org/x") == "host-not-allowed"
    assert _code(made, "http://badexample.org/x") == "host-not-allowed"


def test_a_host_is_an_address_of_ipv6(server: Server, resolver: Make) -> None:
    """In brackets, as URLs have it, with a port if need be; another port, or another address, is
    another host."""
    made = resolver(
        ("[2001:db8::1]:8443", "[2001:db8::2]"), networks=(), lookup=lambda host, port: [host]
    )
    assert _code(made, "https://[2001:DB8:0::1]:8443/x") == "address-not-allowed"
    assert _code(made, "https://[2001:db8::2]/x") == "address-not-allowed"
    assert _code(made, "https://[2001:db8::1]/x") == "host-not-allowed"
    assert _code(made, "https://[2001:db8::3]:8443/x") == "host-not-allowed"


def test_https_is_the_rule(server: Server, resolver: Make) -> None:
    """Plain http is refused unless it was allowed."""
    url = f"http://devfiles.example:{server.port}/parent.yaml"
    assert _code(resolver(insecure=False), url) == "bad-url"


def test_certificates_are_checked_for_the_name(tmp_path: Path, resolver: Make) -> None:
    """TLS is verified against the host's name although the connection goes to the checked
    address."""
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", "/CN=devfiles.example", "-addext", "subjectAltName=DNS:devfiles.example",
         "-keyout", str(key), "-out", str(certificate)],
        check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    trusting = ssl.create_default_context(cafile=str(certificate))
    with Server() as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            hosts = (f"devfiles.example:{server.port}", f"other.example:{server.port}")
            made = resolver(hosts, tls=trusting)
            url = f"https://devfiles.example:{server.port}/parent.yaml"
            assert made.resolve(Reference(uri=url)).text == PARENT
            assert _code(made, f"https://other.example:{server.port}/parent.yaml") == "fetch-failed"
            assert (
                _code(resolver(hosts), f"https://devfiles.example:{server.port}/x")
                == "fetch-failed"
            )
        finally:
            server.ended.set()
            server.shutdown()
            thread.join()


def test_documents_are_cached_by_their_digest(server: Server, resolver: Make) -> None:
    """A document is not asked for again while it is fresh, and equal ones are kept once."""
    made = resolver()
    base = f"http://devfiles.example:{server.port}"
    for _ in range(3):
        made.resolve(Reference(uri=f"{base}/parent.yaml"))
        made.resolve(Reference(uri=f"{base}/dir/parent.yaml"))
    assert len(server.asked) == 2
    assert len(made.cache) == 1
    stale = resolver(limits=Limits(fresh=0))
    for _ in range(2):
        stale.resolve(Reference(uri=f"{base}/parent.yaml"))
    assert len(server.asked) == 4


def test_the_cache_has_a_limit() -> None:
    """The least used documents leave first."""
    cache = DigestCache(10)
    cache.put("a", b"aaaa")
    cache.put("b", b"bbbb")
    assert cache.get("a", 60) == b"aaaa"
    cache.put("c", b"cccc")
    assert (cache.get("a", 60), cache.get("b", 60), cache.get("c", 60)) == (b"aaaa", None, b"cccc")


def test_a_failed_fetch_is_a_problem_at_the_reference(server: Server, resolver: Make) -> None:
    """The person sees the line of the parent and what went wrong."""
    text = f"schemaVersion: 2.2.0\nparent:\n  uri: http://devfiles.example:{server.port}/none"
    with pytest.raises(DevfileError) as caught:
        flatten(parse(text), resolver())
    (problem,) = caught.value.problems
    assert (problem.code, problem.line, problem.path) == ("import-not-found", 2, "parent")
    assert "404" in problem.message


def test_a_kubernetes_reference_is_refused(resolver: Make) -> None:
    """There is no cluster to ask."""
    with pytest.raises(ResolutionError) as caught:
        resolver().resolve(Reference(name="x", namespace="y"))
    assert caught.value.code == "kubernetes-reference"


def test_the_tests_own_network_is_closed_by_default() -> None:
    """Without an allowed network the real lookup of localhost leads nowhere."""
    assert ipaddress.ip_address("127.0.0.1").is_loopback
    assert _code(HttpResolver(["localhost"]), "https://localhost/x") == "address-not-allowed"
