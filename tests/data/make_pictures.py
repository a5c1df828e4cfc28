"""Small pictures of every format that is read, and their pixels as Pillow sees them: tests/data/pictures.json.

    pip install pillow numpy; python3 tests/data/make_pictures.py

Each case has the file, the size and channels of `ImageOps.exif_transpose(Image.open(file))`, and its pixels, in base64.
"""
import base64, io, json, os, struct, zlib
import numpy as np
from PIL import Image, ImageOps

HERE = os.path.dirname(os.path.abspath(__file__))
W, H = 19, 13
y, x = np.mgrid[0:H, 0:W]
RGB = np.stack([x * 255 / (W - 1), y * 255 / (H - 1), (np.sin(x / 3) + np.cos(y / 4) + 2) * 63], -1).round().astype(np.uint8)
ALPHA = ((x + y) * 255 / (W + H - 2)).round().astype(np.uint8)
COLOUR, CLEAR = Image.fromarray(RGB), Image.fromarray(np.dstack([RGB, ALPHA]))
cases = {}


def case(name, file, mode=None):
    picture = ImageOps.exif_transpose(Image.open(io.BytesIO(file)))
    if mode:
        picture = picture.convert(mode)
    pixels = np.array(picture)
    pixels = pixels.reshape(*pixels.shape[:2], -1)
    text = lambda data: base64.b64encode(data).decode()
    cases[name] = dict(file=text(file), width=pixels.shape[1], height=pixels.shape[0], channels=pixels.shape[2], pixels=text(pixels.tobytes()))


def saved(picture, kind, **options):
    out = io.BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


def exif(orientation):
    tags = Image.Exif()
    tags[0x0112] = orientation
    return tags


def xmp(orientation):
    return f'<x:xmpmeta><rdf:Description tiff:Orientation="{orientation}"/></x:xmpmeta>'.encode()


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def interlaced(array, depth, colour, extra=b""):
    """Adam7, which Pillow reads but does not write; array [H, W, samples] of values below 2^depth, no filters."""
    rows = b""
    for x0, y0, dx, dy in [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]:
        part = array[y0::dy, x0::dx]
        if part.size == 0:
            continue
        for row in part:
            values = row.reshape(-1)
            if depth == 16:
                data = values.astype(">u2").tobytes()
            else:
                bits = "".join(format(v, f"0{depth}b") for v in values)
                bits += "0" * (-len(bits) % 8)
                data = bytes(int(bits[i:i + 8], 2) for i in range(0, len(bits), 8))
            rows += b"\0" + data
    height, width = array.shape[:2]
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 1)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


case("png", saved(COLOUR, "PNG"))
case("png interlaced", interlaced(RGB, 8, 2))
case("png interlaced alpha", interlaced(np.dstack([RGB, ALPHA]), 8, 6))
case("png interlaced 16 bit", interlaced(RGB.astype(np.uint16) * 250 + 77, 16, 2))
case("png interlaced 1 bit", interlaced((RGB[..., :1] > 99).astype(np.uint8), 1, 0), "L")
case("png interlaced palette", interlaced((RGB[..., :1] >> 4), 4, 3, chunk(b"PLTE", bytes(range(48)))), "RGB")
case("png interlaced 1 x 1", interlaced(RGB[:1, :1], 8, 2))
case("png interlaced 5 x 1", interlaced(RGB[:1, :5], 8, 2))
case("png 16 bit", b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", W, H, 16, 2, 0, 0, 0)) + chunk(
    b"IDAT", zlib.compress(b"".join(b"\0" + (row.astype(">u2") * 250 + 77).tobytes() for row in RGB))) + chunk(b"IEND", b""))
case("png palette", saved(COLOUR.convert("P", palette=Image.ADAPTIVE, colors=16), "PNG"), "RGB")
case("png grey alpha", saved(CLEAR.convert("LA"), "PNG"))
case("png XMP 6", saved(COLOUR, "PNG", pnginfo=(lambda info: (info.add_itxt("XML:com.adobe.xmp", xmp(6).decode()), info)[1])(
    __import__("PIL.PngImagePlugin", fromlist=["PngInfo"]).PngInfo())))
case("jpeg 4:4:4", saved(COLOUR, "JPEG", quality=90, subsampling=0))
case("jpeg 4:2:2", saved(COLOUR, "JPEG", quality=90, subsampling=1))
case("jpeg 4:2:0", saved(COLOUR, "JPEG", quality=90, subsampling=2))
case("jpeg progressive", saved(COLOUR, "JPEG", quality=90, subsampling=2, progressive=True))
case("jpeg 4:1:1 restarts", saved(COLOUR, "JPEG", quality=80, subsampling="4:1:1", restart_marker_blocks=1))
case("jpeg progressive restarts", saved(COLOUR, "JPEG", quality=70, subsampling=0, progressive=True, restart_marker_blocks=2))
case("jpeg RGB", saved(COLOUR, "JPEG", quality=80, subsampling=0, keep_rgb=True))
case("jpeg noise", saved(Image.fromarray(np.random.default_rng(0).integers(0, 256, (H, W, 3), np.uint8)), "JPEG", quality=3))
case("jpeg grey", saved(COLOUR.convert("L"), "JPEG", quality=90))
case("jpeg CMYK", saved(COLOUR.convert("CMYK"), "JPEG", quality=95), "RGB")
case("jpeg XMP 8", saved(COLOUR, "JPEG", quality=90, xmp=xmp(8)))
case("webp", saved(COLOUR, "WEBP", quality=90))
case("webp lossless", saved(COLOUR, "WEBP", lossless=True))
case("webp alpha", saved(CLEAR, "WEBP", lossless=True))
case("webp animated", saved(COLOUR, "WEBP", save_all=True, append_images=[ImageOps.invert(COLOUR)], lossless=True), "RGB")
case("gif", saved(COLOUR.convert("P", palette=Image.ADAPTIVE, colors=16), "GIF"), "RGB")
case("gif animated", saved(COLOUR, "GIF", save_all=True, append_images=[ImageOps.invert(COLOUR)]), "RGB")
case("bmp", saved(COLOUR, "BMP"))
case("bmp palette", saved(COLOUR.convert("P", palette=Image.ADAPTIVE, colors=16), "BMP"), "RGB")
case("avif", saved(COLOUR, "AVIF", quality=95))
for orientation in range(1, 9):
    tags = exif(orientation)
    case(f"png Exif {orientation}", saved(COLOUR, "PNG", exif=tags))
    case(f"jpeg Exif {orientation}", saved(COLOUR, "JPEG", quality=90, subsampling=0, exif=tags))
    case(f"webp Exif {orientation}", saved(COLOUR, "WEBP", lossless=True, exif=tags))

with open(f"{HERE}/pictures.json", "w") as out:
    json.dump(cases, out, indent=2)
    out.write("\n")
