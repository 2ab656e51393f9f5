"""Pictures: files of every kind, and what Pillow and diffusers make of pictures before a network sees them."""
import struct
import zlib

import numpy as np
import torch
from diffusers.image_processor import VaeImageProcessor
from PIL import Image, ImageFilter, ImageOps

FILTERS = {"nearest": Image.Resampling.NEAREST, "bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC,
           "lanczos": Image.Resampling.LANCZOS}
ORIENTATION = 0x0112


def picture(width, height, phase=0.0):
    """Waves of several lengths in three colours, and a hard-edged square and triangle."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    rgb = np.stack([128 + 90 * np.sin(x / 5 + phase) + 30 * np.cos(y / 3), 255 * y / max(height - 1, 1), 127 + 120 * np.sin((x * y) / 90 + phase)], -1)
    rgb[(abs(x - 0.3 * width) < 0.15 * width) & (abs(y - 0.35 * height) < 0.15 * height)] = (250, 240, 20)
    rgb[(y > 0.7 * height) & (x > 0.5 * width + (height - y))] = (15, 40, 90)
    return Image.fromarray(np.clip(np.rint(rgb), 0, 255).astype(np.uint8))


def mask(width, height):
    """White is repainted: a soft-edged disc, and a hard bar that reaches the right side."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    value = np.clip((0.3 * height - np.hypot(x - 0.4 * width, y - 0.5 * height)) / 3 + 0.5, 0, 1) * 255
    value[(y > 0.8 * height) & (x > 0.7 * width)] = 255
    return Image.fromarray(np.rint(value).astype(np.uint8))


def array(image):
    return torch.from_numpy(np.array(image))


def write_png(path, rgb):
    """What Pillow cannot write: rows in Adam7's seven passes, and 16 bits a colour."""
    passes = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
    big_endian = rgb.astype(rgb.dtype.newbyteorder(">"))
    rows = [b"\0" + row.tobytes() for x, y, dx, dy in passes for row in big_endian[y::dy, x::dx] if row.size]
    chunks = ((b"IHDR", struct.pack(">IIBBBBB", rgb.shape[1], rgb.shape[0], 8 * rgb.itemsize, 2, 0, 0, 1)), (b"IDAT", zlib.compress(b"".join(rows))), (b"IEND", b""))
    parts = [struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))


def add_files(store, folder):
    """Each file with what Pillow reads from it, turned as it says and converted to RGB."""
    folder.mkdir(parents=True)
    rgb = picture(29, 21)
    alpha = rgb.copy()
    alpha.putalpha(mask(29, 21))
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    grey16 = Image.fromarray((np.array(rgb.convert("L")).astype(np.uint16) * 256 + 77))
    grey_alpha = Image.merge("LA", [rgb.convert("L"), mask(29, 21)])
    kinds = {"rgb.png": (rgb, {}), "rgba.png": (alpha, {}), "grey.png": (rgb.convert("L"), {}), "grey_alpha.png": (grey_alpha, {}), "grey16.png": (grey16, {}),
             "one_bit.png": (rgb.convert("1"), {}), "palette.png": (rgb.quantize(13), {"transparency": 2}), "turned.png": (rgb, {"exif": exif}),
             "rgb.jpg": (rgb, {"quality": 90}), "subsampled.jpg": (rgb, {"quality": 60, "subsampling": 2}), "progressive.jpg": (rgb, {"progressive": True}),
             "grey.jpg": (rgb.convert("L"), {}), "cmyk.jpg": (rgb.convert("CMYK"), {}), "turned.jpg": (rgb, {"exif": exif, "subsampling": 0}),
             "rgb.webp": (rgb, {"quality": 80}), "lossless.webp": (alpha, {"lossless": True, "exact": True}), "turned.webp": (rgb, {"exif": exif})}
    for name, (image, options) in kinds.items():
        image.save(folder / name, **options)
    write_png(folder / "interlaced.png", np.array(rgb))
    write_png(folder / "rgb16.png", np.array(rgb).astype(np.uint16) * 256 + 130)
    for path in sorted(folder.iterdir()):
        path.chmod(0o644)
        read = ImageOps.exif_transpose(Image.open(path))
        # Pillow would clip 16-bit greys to white
        read = Image.fromarray((np.array(read) >> 8).astype(np.uint8)) if read.mode.startswith("I") else read
        store.add(f"images/file_{path.name}", {"file": path.name}, {}, {"image": array(read.convert("RGB"))})


def make_infotexts(folder):
    """Pictures with their settings where A1111's save_image_with_geninfo puts them: by piexif, into the EXIF user comment."""
    import piexif
    import piexif.helper
    folder.mkdir(parents=True, exist_ok=True)
    text = "a cat, (caf\u00e9:1.2) \u732b \U0001f600\nNegative prompt: dog\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 5, Size: 64x48, Version: v1.10.1"
    comment = piexif.helper.UserComment.dump(text, encoding="unicode")
    for name in ("a1111.jpg", "a1111.webp"):
        picture(16, 8).save(folder / name, quality=80)
        piexif.insert(piexif.dump({"Exif": {piexif.ExifIFD.UserComment: comment}}), str(folder / name))


def add_processing(store):
    for width, height, to in ((31, 23, (12, 40)), (12, 17, (50, 9)), (64, 48, (64, 32)), (64, 48, (16, 48)), (3, 2, (8, 8)), (97, 61, (7, 5))):
        for name, f in FILTERS.items():
            for mode, image in (("rgb", picture(width, height)), ("grey", mask(width, height))):
                store.add(f"images/resize_{name}_{mode}_{width}x{height}_to_{to[0]}x{to[1]}", {"width": to[0], "height": to[1], "filter": name},
                          {"image": array(image)}, {"image_out": array(image.resize(to, f))}, {"image_out": {"atol": 0}})
    image = picture(40, 30)
    for name, f in FILTERS.items():
        for box in ((3, 5, 29, 18), (5, 1, 15, 29), (2, 8, 38, 19)) + (((0, 0, 40, 0), (40, 2, 40, 30)) if name != "nearest" else ()):
            out = image.resize((24, 16), f, box=box)
            store.add(f"images/resize_{name}_box_{'_'.join(map(str, box))}", {"width": 24, "height": 16, "filter": name, "box": box}, {"image": array(image)},
                      {"image_out": array(out)}, {"image_out": {"atol": 0}})
    for radius in (0.5, 1, 4, 11, 60):
        store.add(f"images/blur_{radius}", {"radius": radius}, {"image": array(mask(50, 34))}, {"image_out": array(mask(50, 34).filter(ImageFilter.GaussianBlur(radius)))})
    processor = VaeImageProcessor(vae_scale_factor=8)
    masks = VaeImageProcessor(vae_scale_factor=8, do_normalize=False, do_binarize=True, do_convert_grayscale=True)
    for width, height in ((32, 24), (43, 37)):
        image, grey = picture(width, height), mask(width, height)
        store.add(f"images/preprocess_{width}x{height}", {}, {"image": array(image)}, {"tensor": processor.preprocess(image)}, {"tensor": {"atol": 1e-6}})
        store.add(f"images/mask_{width}x{height}", {"height": 40, "width": 24}, {"image": array(grey)}, {"tensor": masks.preprocess(grey, height=40, width=24)},
                  {"tensor": {"atol": 0}})
    add_crops(store, processor)


def add_crops(store, processor):
    """diffusers' padding_mask_crop: which box is cut out, how it is brought to the working size, and back."""
    for box, size, to, pad in (((10, 12, 20, 15), (60, 44), (32, 32), 4), ((0, 0, 9, 30), (60, 44), (32, 24), 0), ((50, 2, 60, 8), (60, 44), (24, 32), 8),
                               ((5, 5, 55, 40), (60, 44), (32, 32), 16), ((2, 30, 58, 44), (60, 44), (40, 16), 3)):
        grey = Image.new("L", size)
        grey.paste(255, box)
        found = processor.get_crop_region(grey, *to, pad=pad)
        cut = picture(*size).crop(found)
        there = processor.resize(cut, to[1], to[0], resize_mode="fill")
        back = processor.resize(there, found[3] - found[1], found[2] - found[0], resize_mode="crop")
        store.add(f"images/crop_{'_'.join(map(str, box))}_pad_{pad}", {"box": found, "width": to[0], "height": to[1], "padding": pad}, {"image": array(picture(*size)), "mask": array(grey)},
                  {"filled": array(there), "back": array(back)})
