/**
 * The public API: bring Nix binary caches into a content-addressed store, and take them out again.
 */
export {
  type BinaryCacheOptions,
  BinaryCacheRoutes,
} from './cacheRoutes/binaryCacheRoutes.ts';
export { CacheFiles } from './cacheRoutes/cacheFiles.ts';
export type { CacheRequest, CacheResponse, HttpRoutes } from './cacheRoutes/http.ts';
export type { PendingNar, PendingOptions, PendingPaths } from './cacheRoutes/pendingPaths.ts';
export {
  type PinnedClosureOptions,
  PinnedClosureRoutes,
  pinnedClosurePath,
} from './cacheRoutes/pinnedClosureRoutes.ts';
export { routesByPrefix } from './cacheRoutes/routesByPrefix.ts';
export type {
  BlobService,
  BlobStat,
  BlobWriter,
  Chunk,
  ChunkedBlob,
  ChunkedBlobWriter,
  ChunkRef,
  EncodedChunk,
  ReadBlobOptions,
  ServiceOptions,
} from './castore/blobService.ts';
export { type CacheBlobOptions, CacheBlobService } from './castore/combinators/cacheBlobService.ts';
export {
  type CacheDirectoryOptions,
  CacheDirectoryService,
} from './castore/combinators/cacheDirectoryService.ts';
export { CoolDown, type CoolDownOptions } from './castore/combinators/coolDown.ts';
export { LruBlobService, LruDirectoryService } from './castore/combinators/lruServices.ts';
export { PriorityBlobService } from './castore/combinators/priorityBlobService.ts';
export { PriorityDirectoryService } from './castore/combinators/priorityDirectoryService.ts';
export {
  ReadOnlyBlobService,
  ReadOnlyDirectoryService,
} from './castore/combinators/readOnlyServices.ts';
export { type Castore, type CopyNodeOptions, copyNode } from './castore/copyNode.ts';
export { Digest } from './castore/digest.ts';
export { Directory, type DirectoryEntry, decodeEntry, encodeEntry } from './castore/directory.ts';
export type { DirectoryPutter, DirectoryService } from './castore/directoryService.ts';
export { MemoryBlobService } from './castore/memoryBlobService.ts';
export { MemoryDirectoryService } from './castore/memoryDirectoryService.ts';
export { DirectoryNode, equalNodes, FileNode, type Node, SymlinkNode } from './castore/node.ts';
export { type RepairSourceSettings, repairSources } from './composition/openRepairSources.ts';
export {
  type ClosureChange,
  type ClosureDiff,
  diffClosures,
} from './diff/closureDiff.ts';
export type { NodeChange } from './diff/nodeChange.ts';
export { diffNodes } from './diff/nodeDiff.ts';
export {
  ERROR_CODES,
  type ErrorCode,
  type ErrorFacts,
  isNarthexError,
  NarthexError,
} from './errors.ts';
export {
  type ExtraFileKind,
  type ExtraFileName,
  extraFilePath,
  parseExtraFileName,
} from './extraFiles/extraFileName.ts';
export type {
  ExtraFile,
  ExtraFileService,
  ListExtraFilesOptions,
  NamedExtraFile,
} from './extraFiles/extraFileService.ts';
export { MemoryExtraFileService } from './extraFiles/memoryExtraFileService.ts';
export type { Authorize } from './grpc/authorization.ts';
export { type CastoreServicesOptions, castoreServices } from './grpc/castore/castoreServices.ts';
export { GrpcBlobService } from './grpc/castore/grpcBlobService.ts';
export { GrpcDirectoryService } from './grpc/castore/grpcDirectoryService.ts';
export { type ChannelOptions, type GrpcChannel, openChannel } from './grpc/channel.ts';
export {
  type GrpcHandler,
  type GrpcHandlerOptions,
  type GrpcServices,
  grpcHandler,
  isGrpcPath,
} from './grpc/grpcHandler.ts';
export { healthService } from './grpc/health.ts';
export { type GrpcPathInfoOptions, GrpcPathInfoService } from './grpc/store/grpcPathInfoService.ts';
export {
  type AcceptPut,
  type StoreServicesOptions,
  storeServices,
} from './grpc/store/storeServices.ts';
export { Hash, type HashAlgorithm } from './hash.ts';
export {
  type IngestEvent,
  type IngestOptions,
  NixHTTPPathInfoService,
  type NixHTTPPathInfoServiceOptions,
} from './httpService.ts';
export type { WalkLimits, WalkResult, WantedPath } from './ingest/closureWalk.ts';
export { FRANKENBUILD_POLICIES, type FrankenbuildPolicy } from './ingest/frankenbuild.ts';
export type { NarOutput, NarReader, NarReading, NarRequest } from './ingest/narReading.ts';
export { DEFAULT_LIMITS, type Limits } from './limits.ts';
export { ContentAddress } from './narinfo/contentAddress.ts';
export { fingerprint } from './narinfo/fingerprint.ts';
export type { NarInfo } from './narinfo/narinfo.ts';
export { parseNarInfo } from './narinfo/parse.ts';
export { renderNarInfo } from './narinfo/render.ts';
export { Claim, type ClaimFields, type Verification } from './pathinfo/claim.ts';
export { type ClosureMember, walkClosure } from './pathinfo/closure.ts';
export { closureDigest } from './pathinfo/closureDigest.ts';
export type { CopyContent } from './pathinfo/combinators/bringClosure.ts';
export {
  type CachePathInfoOptions,
  CachePathInfoService,
} from './pathinfo/combinators/cachePathInfoService.ts';
export {
  type LruPathInfoOptions,
  LruPathInfoService,
} from './pathinfo/combinators/lruPathInfoService.ts';
export { PriorityPathInfoService } from './pathinfo/combinators/priorityPathInfoService.ts';
export { ReadOnlyPathInfoService } from './pathinfo/combinators/readOnlyPathInfoService.ts';
export {
  type SigningOptions,
  SigningPathInfoService,
} from './pathinfo/combinators/signingPathInfoService.ts';
export type { Finding, FindingService, FindingSide, KeptFinding } from './pathinfo/finding.ts';
export { MemoryFindingService } from './pathinfo/memoryFindingService.ts';
export { MemoryPathInfoService } from './pathinfo/memoryPathInfoService.ts';
export { type Evidence, PathInfo, type ReferenceContent } from './pathinfo/pathInfo.ts';
export {
  IngestContext,
  type PathInfoOptions,
  type PathInfoService,
} from './pathinfo/pathInfoService.ts';
export type { PreferConflict, PreferResult, VariantSwitch } from './pathinfo/preferVariant.ts';
export { UnresolvedPathInfo } from './pathinfo/unresolvedPathInfo.ts';
export type { VariantService } from './pathinfo/variantService.ts';
export { PullThrough } from './pullThrough/pullThrough.ts';
export type { ClosureIngester, PullThroughOptions } from './pullThrough/pullThroughOptions.ts';
export { lookup } from './render/lookup.ts';
export { measureNar, type NarMeasure } from './render/measureNar.ts';
export { renderNar } from './render/renderNar.ts';
export { restore } from './render/restore.ts';
export {
  type ListenOptions,
  listen,
  type RunningServer,
  type ServerFigures,
} from './server/httpServer.ts';
export type { ServerLimits } from './server/serverLimits.ts';
export type { RequestRecord, ServerObserver } from './server/serverObserver.ts';
export {
  CACHE_NIXOS_ORG_KEY,
  PublicKey,
  parsePublicKeys,
  SecretKey,
  Signature,
} from './signature.ts';
export type {
  CollectionReport,
  CollectOptions,
  RemovedVariant,
} from './store/gc/collectGarbage.ts';
export type { CompressionReport, CompressOptions } from './store/gc/compressPacks.ts';
export type {
  EncodedData,
  EncoderOfLevel,
  RecordEncoder,
} from './store/recordEncoding.ts';
export { Store, type StoreOptions } from './store/store.ts';
export type { Pin, StorePinService } from './store/storePinService.ts';
export { parseStorePathQuery, StorePath, type StorePathQuery } from './storePath.ts';
export { type OpenUpstreamOptions, openUpstream } from './upstream/openUpstream.ts';
export type { Upstream, UpstreamFile } from './upstream/upstream.ts';
export type { AffectedPath, Damage, DamageSubject } from './verify/damage.ts';
export type { OpenRepairSources, RepairSource, RepairSources } from './verify/repairSources.ts';
export {
  type RepairedDamage,
  type RepairOptions,
  type RepairReport,
  repairStore,
} from './verify/repairStore.ts';
export type { OnVerifyEvent, VerifyEvent, VerifyPhase } from './verify/verifyEvent.ts';
export {
  type VerifyCounts,
  type VerifyOptions,
  type VerifyReport,
  verifyStore,
} from './verify/verifyStore.ts';
export { WorkerPool, type WorkerPoolOptions } from './workers/workerPool.ts';
