/** Castore nodes and directories: between messages and strict types. */
import { create } from '@bufbuild/protobuf';
import { compareBytes, copyBytes, EMPTY } from '../../bytes.ts';
import { Directory, type DirectoryEntry } from '../../castore/directory.ts';
import { DirectoryNode, FileNode, type Node, SymlinkNode } from '../../castore/node.ts';
import { asField, digestFrom, invalidField, sizeFrom } from '../fields.ts';
import {
  DirectoryEntrySchema,
  DirectorySchema,
  type Entry,
  EntrySchema,
  FileEntrySchema,
  type Directory as ProtoDirectory,
  type DirectoryEntry as ProtoDirectoryEntry,
  type FileEntry as ProtoFileEntry,
  type SymlinkEntry as ProtoSymlinkEntry,
  SymlinkEntrySchema,
} from '../gen/snix/castore/v1/castore_pb.ts';

/** A node under a name. */
export function entryToProto(name: Uint8Array, node: Node): Entry {
  switch (node.type) {
    case 'directory':
      return create(EntrySchema, {
        entry: { case: 'directory', value: directoryEntry(name, node) },
      });
    case 'file':
      return create(EntrySchema, { entry: { case: 'file', value: fileEntry(name, node) } });
    case 'symlink':
      return create(EntrySchema, { entry: { case: 'symlink', value: symlinkEntry(name, node) } });
  }
}

/**
 * The node and its name, which is not checked: it may be empty, or a base name.
 * @throws PROTO_INVALID with the `field`
 */
export function entryFromProto(entry: Entry | undefined, field: string): DirectoryEntry {
  const inner = entry?.entry;
  switch (inner?.case) {
    case 'directory':
      return fromDirectoryEntry(inner.value, `${field}.directory`);
    case 'file':
      return fromFileEntry(inner.value, `${field}.file`);
    case 'symlink':
      return fromSymlinkEntry(inner.value, `${field}.symlink`);
    default:
      throw invalidField(field, 'there is no node');
  }
}

/** A directory. */
export function directoryToProto({ entries }: Directory): ProtoDirectory {
  const message = create(DirectorySchema);
  for (const { name, node } of entries) {
    if (node.type === 'directory') message.directories.push(directoryEntry(name, node));
    else if (node.type === 'file') message.files.push(fileEntry(name, node));
    else message.symlinks.push(symlinkEntry(name, node));
  }
  return message;
}

/** @throws PROTO_INVALID with the `field` */
export function directoryFromProto(message: ProtoDirectory): Directory {
  const entries = [
    ...sorted('directories', message.directories, fromDirectoryEntry),
    ...sorted('files', message.files, fromFileEntry),
    ...sorted('symlinks', message.symlinks, fromSymlinkEntry),
  ];
  return asField('directory', () => new Directory(entries));
}

function sorted<T>(
  list: string,
  entries: readonly T[],
  convert: (entry: T, field: string) => DirectoryEntry,
): DirectoryEntry[] {
  let previous: Uint8Array = EMPTY;
  return entries.map((entry, i) => {
    const field = `${list}[${i}]`;
    const converted = convert(entry, field);
    if (compareBytes(previous, converted.name) >= 0) {
      throw invalidField(`${field}.name`, 'names are not sorted, or one stands twice');
    }
    previous = converted.name;
    return converted;
  });
}

function directoryEntry(name: Uint8Array, { digest, size }: DirectoryNode) {
  return create(DirectoryEntrySchema, { name, digest: digest.bytes, size: BigInt(size) });
}

function fileEntry(name: Uint8Array, { digest, size, executable }: FileNode) {
  return create(FileEntrySchema, { name, digest: digest.bytes, size: BigInt(size), executable });
}

function symlinkEntry(name: Uint8Array, { target }: SymlinkNode) {
  return create(SymlinkEntrySchema, { name, target });
}

function fromDirectoryEntry(entry: ProtoDirectoryEntry, field: string): DirectoryEntry {
  const digest = digestFrom(entry.digest, `${field}.digest`);
  const size = sizeFrom(entry.size, `${field}.size`);
  return { name: copyBytes(entry.name), node: new DirectoryNode(digest, size) };
}

function fromFileEntry(entry: ProtoFileEntry, field: string): DirectoryEntry {
  const digest = digestFrom(entry.digest, `${field}.digest`);
  const size = sizeFrom(entry.size, `${field}.size`);
  return { name: copyBytes(entry.name), node: new FileNode(digest, size, entry.executable) };
}

function fromSymlinkEntry(entry: ProtoSymlinkEntry, field: string): DirectoryEntry {
  const node = asField(field, () => new SymlinkNode(copyBytes(entry.target)));
  return { name: copyBytes(entry.name), node };
}
