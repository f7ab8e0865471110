import { blobServiceContract } from '../contracts/blobServiceContract.ts';
import { currentViewContract } from '../contracts/currentViewContract.ts';
import { directoryServiceContract } from '../contracts/directoryServiceContract.ts';
import { pathInfoServiceContract } from '../contracts/pathInfoServiceContract.ts';
import { temporaryStore } from './temporaryStore.ts';

/** One service of a store that is closed and removed with it. */
async function open<T>(serviceOf: (store: Awaited<ReturnType<typeof temporaryStore>>) => T) {
  const opened = await temporaryStore();
  return {
    service: serviceOf(opened),
    [Symbol.asyncDispose]: () => opened[Symbol.asyncDispose](),
  };
}

blobServiceContract('the embedded store', () => open(({ store }) => store.blobs));
directoryServiceContract('the embedded store', () => open(({ store }) => store.directories));
pathInfoServiceContract('the embedded store', () => open(({ store }) => store.pathInfos));
currentViewContract('the embedded store', 5, () => open(({ store }) => store.pathInfos));
