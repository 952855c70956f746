"""Makes the tree that the browser looks at, and says in JSON what is in its folder `names`, in the order of the bytes of the names."""
import json, os, random, sys

base = os.fsencode(sys.argv[1])
random.seed(3)


def put(path, data, mode=0o644):
    path = os.path.join(base, path)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as f:
        f.write(data)
    os.chmod(path, mode)


put(b"bin/hello", b'#!/bin/sh\necho "<b>hello</b>"\n', 0o755)
put(b"lib/libhello.so.1.0", random.randbytes(70000))
os.symlink("libhello.so.1.0", os.path.join(base, b"lib/libhello.so"))
put(b"share/doc/README.txt", "Grüße, 世界 <script>alert('text')</script>\n".encode() * 50)
put(b"share/doc/long.txt", b"".join(b"line %d of many <i>lines</i>\n" % i for i in range(20000)))
put(b"share/doc/empty", b"")

names = [
    b"<img src=x onerror=alert(1)>", b'"><script>alert(2)<\\script>', b"' onclick='alert(3)", b"&amp;&lt;", b"a\nb\rc", b"\xff\xfe not utf8", b"%ff", b"\xff", b"%2e%2e", b"...", b"..a",
    b" leading and trailing ", "right to left \u202egpj.exe".encode(), "\u05e9\u05dc\u05d5\u05dd.txt".encode(), "line\u2028separator".encode(), b"javascript:alert(4)", b"question?and#hash", b"back\\slash",
    b"+ ;=&", b"x" * 255, "\U0001f600 \u00fc.txt".encode(), b"index.html", b"image.svg", b"con.", b"~", b"\x1b[31mred",
]
contents = {}
for name in names:
    contents[name] = b"<html><script>alert('contents')</script>" + name + b"\n" if name.endswith((b".html", b".svg")) else b"contents of " + name
    put(b"names/" + name, contents[name])
put(b"names/<b>folder<\\b>/\xfe\xff", b"deep")
many = os.path.join(base, b"many")
os.makedirs(many)
for i in range(int(sys.argv[2])):
    os.close(os.open(os.path.join(many, b"entry-%06d" % i), os.O_CREAT | os.O_WRONLY, 0o644))
json.dump([{"name": name.hex(), "contents": contents[name].hex()} for name in sorted(names)], sys.stdout)
