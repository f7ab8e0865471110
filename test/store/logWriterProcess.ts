/** A process that keeps one build log: `logWriterProcess.ts DIRECTORY PATH TEXT`. */
import { utf8 } from '../../src/bytes.ts';
import { parseExtraFileName } from '../../src/extraFiles/extraFileName.ts';
import { Store } from '../../src/store/store.ts';
import { writeBlob } from '../contracts/blobServiceContract.ts';

const [directory = '', path = '', text = ''] = process.argv.slice(2);
const name = parseExtraFileName(path);
if (name === undefined) throw new Error(`no extra file is called ${path}`);
await using store = await Store.open(directory);
const bytes = utf8(text);
const file = { digest: await writeBlob(store.blobs, bytes), size: bytes.length };
await store.extraFiles.putAll([{ name, file }]);
