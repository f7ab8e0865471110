#!/usr/bin/env python3
"""Closure digests, computed a second time: docs/closure-digest.md in code that shares none with src.

    closure-digest.py [VECTORS]           recomputes the test vectors and compares; exits with 1 if any differ
    closure-digest.py --json [VECTORS]    prints them recomputed, without a look at what is expected

Needs Python 3.8 and its standard library, which has no BLAKE3; the one below is for clarity, not for speed.
"""

import base64
import json
import os
import struct
import sys

# --- BLAKE3: https://github.com/BLAKE3-team/BLAKE3-specs, the modes hash and derive_key, 32 bytes out ---

IV = (0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A, 0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19)
PERMUTATION = (2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8)
COLUMNS_AND_DIAGONALS = (
    (0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15),
    (0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14),
)  # fmt: skip
ROUNDS = 7
BLOCK_BYTES = 64
CHUNK_BYTES = 1024
CHUNK_START, CHUNK_END, PARENT, ROOT = 1, 2, 4, 8
DERIVE_KEY_CONTEXT, DERIVE_KEY_MATERIAL = 32, 64
MASK = 0xFFFFFFFF


def compress(chaining, words, counter, length, flags):
    """The compression function, cut to the 8 words of a chaining value or of 32 bytes of output."""
    v = [*chaining, *IV[:4], counter & MASK, counter >> 32, length, flags]
    for _ in range(ROUNDS):
        for i, (a, b, c, d) in enumerate(COLUMNS_AND_DIAGONALS):
            for word, right_d, right_b in ((words[2 * i], 16, 12), (words[2 * i + 1], 8, 7)):
                v[a] = (v[a] + v[b] + word) & MASK
                x = v[d] ^ v[a]
                v[d] = (x >> right_d | x << (32 - right_d)) & MASK
                v[c] = (v[c] + v[d]) & MASK
                x = v[b] ^ v[c]
                v[b] = (x >> right_b | x << (32 - right_b)) & MASK
        words = [words[i] for i in PERMUTATION]
    return [v[i] ^ v[i + 8] for i in range(8)]


def hash_chunk(data, key, counter, flags, root):
    chaining = key
    for start in range(0, max(len(data), 1), BLOCK_BYTES):
        block = data[start : start + BLOCK_BYTES]
        block_flags = flags | (CHUNK_START if start == 0 else 0)
        if start + BLOCK_BYTES >= len(data):
            block_flags |= CHUNK_END | root
        words = struct.unpack("<16I", block.ljust(BLOCK_BYTES, b"\0"))
        chaining = compress(chaining, words, counter, len(block), block_flags)
    return chaining


def hash_tree(data, key, counter, flags, root=0):
    """Words of the (sub)tree over `data`, whose first chunk is number `counter`."""
    chunks = -(-len(data) // CHUNK_BYTES)
    if chunks <= 1:
        return hash_chunk(data, key, counter, flags, root)
    left = 1 << (chunks - 1).bit_length() - 1  # the largest power of two that leaves something right
    middle = left * CHUNK_BYTES
    children = hash_tree(data[:middle], key, counter, flags)
    children += hash_tree(data[middle:], key, counter + left, flags)
    return compress(key, children, 0, BLOCK_BYTES, flags | PARENT | root)


def blake3(data):
    return struct.pack("<8I", *hash_tree(data, IV, 0, 0, ROOT))


def derive_key(context, data):
    key = hash_tree(context.encode(), IV, 0, DERIVE_KEY_CONTEXT, ROOT)
    return struct.pack("<8I", *hash_tree(data, key, 0, DERIVE_KEY_MATERIAL, ROOT))


# Of https://github.com/BLAKE3-team/BLAKE3/blob/master/test_vectors/test_vectors.json: length of the input
# (bytes 0, 1, …, 250, 0, 1, …), hash, and derive_key with the context below.
BLAKE3_CONTEXT = "BLAKE3 2019-12-27 16:29:52 test vectors context"
BLAKE3_VECTORS = (
    (0, "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262",
     "2cc39783c223154fea8dfb7c1b1660f2ac2dcbd1c1de8277b0b0dd39b7e50d7d"),
    (1, "2d3adedff11b61f14c886e35afa036736dcd87a74d27b5c1510225d0f592e213",
     "b3e2e340a117a499c6cf2398a19ee0d29cca2bb7404c73063382693bf66cb06c"),
    (1024, "42214739f095a406f3fc83deb889744ac00df831c10daa55189b5d121c855af7",
     "7356cd7720d5b66b6d0697eb3177d9f8d73a4a5c5e968896eb6a689684302706"),
    (1025, "d00278ae47eb27b34faecf67b4fe263f82d5412916c1ffd97c8cb7fb814b8444",
     "effaa245f065fbf82ac186839a249707c3bddf6d3fdda22d1b95a3c970379bcb"),
    (3073, "7124b49501012f81cc7f11ca069ec9226cecb8a2c850cfe644e327d22d3e1cd3",
     "72613c9ec9ff7e40f8f5c173784c532ad852e827dba2bf85b2ab4b76f7079081"),
    (6145, "f1323a8631446cc50536a9f705ee5cb619424d46887f3c376c695b70e0f0507f",
     "379bcc61d0051dd489f686c13de00d5b14c505245103dc040d9e4dd1facab8e5"),
)  # fmt: skip


def check_blake3():
    for length, expected_hash, expected_key in BLAKE3_VECTORS:
        data = bytes(i % 251 for i in range(length))
        assert blake3(data).hex() == expected_hash, f"BLAKE3 of {length} bytes"
        assert derive_key(BLAKE3_CONTEXT, data).hex() == expected_key, f"derive_key of {length} bytes"


# --- castore: nodes and their encoding ---
# A node is (field in Directory and Entry, digest or target, size, executable).

DIRECTORY, FILE, SYMLINK = 1, 2, 3


def varint(number):
    encoded = bytearray()
    while number >= 0x80:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes(encoded + bytes([number]))


def bytes_field(number, value):
    return varint(number << 3 | 2) + varint(len(value)) + value


def default_omitted(number, value):
    if isinstance(value, bytes):
        return bytes_field(number, value) if value else b""
    return varint(number << 3) + varint(value) if value else b""


def entry(name, node):
    """The `Entry` of a node, which is also how it stands in the list of a `Directory`."""
    kind, content, size, executable = node
    fields = (name, content, size, executable)
    return bytes_field(kind, b"".join(default_omitted(i, x) for i, x in enumerate(fields, 1)))


def node_of(tree):
    if tree["type"] == "symlink":
        return SYMLINK, bytes_of(tree["target"]), 0, 0
    if tree["type"] == "file":
        contents = bytes_of(tree["contents"])
        return FILE, blake3(contents), len(contents), int(tree["executable"])
    entries = [(bytes_of(name), node_of(child)) for name, child in tree["entries"]]
    entries.sort(key=lambda item: (item[1][0], item[0]))  # the three lists, each by the bytes of its names
    size = sum(1 + (node[2] if node[0] == DIRECTORY else 0) for _, node in entries)
    return DIRECTORY, blake3(b"".join(entry(name, node) for name, node in entries)), size, 0


# --- the closure digest ---


def u64(number):
    return struct.pack("<Q", number)


def field(value):
    return u64(len(value)) + value


def message_of(base_name, root_entry, references, digests):
    others = sorted({name.encode() for name in references if name != base_name})
    message = field(base_name.encode()) + field(root_entry)
    message += b"\1" if base_name in references else b"\0"
    message += u64(len(others))
    return message + b"".join(field(name) + field(digests[name.decode()]) for name in others)


def references_first(paths):
    """The paths in an order in which each comes after those that it refers to; without recursion."""
    waiting_for = {p["baseName"]: set(p["references"]) - {p["baseName"]} for p in paths}
    referrers = {name: [] for name in waiting_for}
    for name, references in waiting_for.items():
        for reference in references:
            referrers[reference].append(name)
    by_name = {p["baseName"]: p for p in paths}
    ready = [name for name, references in waiting_for.items() if not references]
    done = 0
    while ready:
        name = ready.pop()
        yield by_name[name]
        done += 1
        for referrer in referrers[name]:
            waiting_for[referrer].remove(name)
            if not waiting_for[referrer]:
                ready.append(referrer)
    if done < len(paths):
        raise ValueError("paths in a cycle have no closure digest")


def closure_digests(context, paths):
    """(entry, message, closure digest) by base name."""
    digests, results = {}, {}
    for path in references_first(paths):
        name = path["baseName"]
        root_entry = entry(b"", node_of(path["tree"]))
        message = message_of(name, root_entry, path["references"], digests)
        digests[name] = derive_key(context, message)
        results[name] = (root_entry, message, digests[name])
    return results


# --- the vectors ---


def bytes_of(value):
    if isinstance(value, str):
        return value.encode()
    if "repeat" in value:
        return value["repeat"].encode() * value["times"]
    return base64.b64decode(value["base64"])


def chain_name(index):
    return f"{index:032}-chain"


def chain_of(length):
    for i in range(length):
        tree = {"type": "symlink", "target": str(i)}
        yield {"baseName": chain_name(i), "tree": tree, "references": [chain_name(i - 1)] if i else []}


def recomputed(document):
    """The document with everything in it that follows from the rest computed anew."""
    context = document["context"]
    vectors = []
    for vector in document["vectors"]:
        results = closure_digests(context, vector["paths"])
        paths = []
        for path in vector["paths"]:
            root_entry, message, digest = (value.hex() for value in results[path["baseName"]])
            paths.append({**path, "entry": root_entry, "message": message, "closureDigest": digest})
        vectors.append({**vector, "paths": paths})
    length = document["chain"]["length"]
    results = closure_digests(context, list(chain_of(length)))
    told = []
    for path in document["chain"]["paths"]:
        name = chain_name(path["index"])
        told.append({**path, "baseName": name, "closureDigest": results[name][2].hex()})
    return {**document, "vectors": vectors, "chain": {"length": length, "paths": told}}


def main(arguments):
    check_blake3()
    files = [a for a in arguments if a != "--json"]
    default = os.path.join(os.path.dirname(os.path.abspath(__file__)), "closure-digest-vectors.json")
    with open(files[0] if files else default, encoding="utf-8") as file:
        document = json.load(file)
    result = recomputed(document)
    if "--json" in arguments:
        json.dump(result, sys.stdout)
        return 0
    expected = {v["name"]: v for v in [*document["vectors"], {**document["chain"], "name": "chain"}]}
    actual = {v["name"]: v for v in [*result["vectors"], {**result["chain"], "name": "chain"}]}
    differing = [name for name in expected if expected[name] != actual[name]]
    for name in differing:
        print(f"differs: {name}")
    print(f"{len(expected) - len(differing)} of {len(expected)} vectors are equal")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
