"""URLs that lead where the maker of an event stream may not go, and the names in some of them."""

from __future__ import annotations

__all__ = ["PUBLIC", "RECORDS", "TRICKS"]

PUBLIC = "93.184.215.14"
"""Of nobody in a test: it is never connected to."""

RECORDS = {
    "public.example.": [f"A {PUBLIC}"],
    "loopback.example.": ["A 127.0.0.1"],
    "loopback6.example.": ["AAAA ::1"],
    "private.example.": ["A 10.1.2.3"],
    "shared.example.": ["A 100.64.1.2"],
    "metadata.example.": ["A 169.254.169.254"],
    "mapped.example.": ["AAAA ::ffff:127.0.0.1"],
    "nat64.example.": ["AAAA 64:ff9b::7f00:1"],
    "6to4.example.": ["AAAA 2002:7f00:1::1"],
    "mixed.example.": [f"A {PUBLIC}", "A 127.0.0.1"],
    "mixed6.example.": [f"A {PUBLIC}", "AAAA ::1"],
    "alias.example.": ["CNAME loopback.example."],
    "alias2.example.": ["CNAME alias.example."],
    "nowhere.example.": ["A 0.0.0.0"],
    # What a name server might say of "numbers" that the C library reads as 127.0.0.1.
    "2130706433.": ["A 127.0.0.1"],
    "0x7f000001.": ["A 127.0.0.1"],
    "127.1.": ["A 127.0.0.1"],
}

TRICKS = [
    # --- this machine, plainly and less so ---
    "http://127.0.0.1:{port}/",
    "http://127.255.255.254:{port}/",
    "http://localhost:{port}/",
    "http://LocalHost:{port}/",
    "http://localhost.:{port}/",
    "http://anything.localhost:{port}/",
    "http://0.0.0.0:{port}/",
    "http://0.0.0.1:{port}/",
    "http://[::1]:{port}/",
    "http://[::]:{port}/",
    "http://[0:0:0:0:0:0:0:1]:{port}/",
    # --- addresses that do not look like one ---
    "http://2130706433:{port}/",
    "http://0x7f000001:{port}/",
    "http://0x7f.0.0.1:{port}/",
    "http://0x7f.1:{port}/",
    "http://017700000001:{port}/",
    "http://0177.0.0.1:{port}/",
    "http://127.1:{port}/",
    "http://0:{port}/",
    "http://127.0.0.1.:{port}/",
    "http://127%2e0%2e0%2e1:{port}/",
    "http://①②⑦.⓪.⓪.①:{port}/",
    "http://127。0。0。1:{port}/",
    "http://loc%61lhost:{port}/",
    # --- IPv4 within IPv6 ---
    "http://[::ffff:127.0.0.1]:{port}/",
    "http://[::ffff:7f00:1]:{port}/",
    "http://[::127.0.0.1]:{port}/",
    "http://[::ffff:0:127.0.0.1]:{port}/",
    "http://[64:ff9b::127.0.0.1]:{port}/",
    "http://[64:ff9b:1::127.0.0.1]:{port}/",
    "http://[2002:7f00:1::1]:{port}/",
    "http://[2001:0:4136:e378:8000:63bf:80ff:fffe]:{port}/",
    # --- zones ---
    "http://[fe80::1%25lo]:{port}/",
    "http://[::1%25lo]:{port}/",
    # --- parsers at odds with each other ---
    "http://public.example@127.0.0.1:{port}/",
    "http://public.example:80@127.0.0.1:{port}/",
    "http://127.0.0.1:{port}#@public.example/",
    "http://127.0.0.1:{port}?@public.example/",
    "http://localhost:{port}\\@127.0.0.1:{port}/",
    # --- neighbours, and those that hand out credentials ---
    "http://10.0.0.1/",
    "http://172.16.0.1/",
    "http://192.168.0.1/",
    "http://100.64.0.1/",
    "http://100.100.100.200/",
    "http://169.254.169.254/latest/meta-data/",
    "http://169.254.170.2/",
    "http://168.63.129.16/",
    "http://192.0.0.192/",
    "http://[fd00:ec2::254]/",
    "http://[fd20:ce::254]/",
    "http://[fc00::1]/",
    "http://[fec0::1]/",
    "http://[::ffff:169.254.169.254]/",
    # --- many at once, and nobody ---
    "http://224.0.0.1/",
    "http://255.255.255.255/",
    "http://240.0.0.1/",
    "http://[ff02::1]/",
    "http://198.18.0.1/",
    "http://[100::1]/",
    # --- names ---
    "http://loopback.example:{port}/",
    "http://loopback6.example:{port}/",
    "http://private.example/",
    "http://shared.example/",
    "http://metadata.example/",
    "http://mapped.example:{port}/",
    "http://nat64.example:{port}/",
    "http://6to4.example:{port}/",
    "http://mixed.example:{port}/",
    "http://mixed6.example:{port}/",
    "http://alias2.example:{port}/",
    "http://nowhere.example:{port}/",
    "http://in-the-hosts-file:{port}/",
    # --- not the web at all ---
    "file:///etc/passwd",
    "gopher://127.0.0.1:{port}/_x",
    "ftp://127.0.0.1:{port}/",
    "http+unix://%2Fvar%2Frun%2Fdocker.sock/",
    "//127.0.0.1:{port}/",
    "http:127.0.0.1:{port}/",
]
