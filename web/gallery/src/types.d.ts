// What the operations return and the state classes hand around.
export interface Box { left: number; top: number; width: number; height: number }
export interface Instance { confidence: number; boundingBox: Box }
export interface Label {
  name: string;
  confidence: number;
  parents: string[];
  confirmedAt: string | null;
}
export interface FullLabel extends Label {
  source: 'DETECTOR' | 'OWNER';
  instances: Instance[];
}
export interface Failure { code: string; message: string }
/** What a tile shows. */
export interface Tile {
  id: string;
  status: string;
  fileName: string | null;
  contentType: string;
  createdAt: string;
  labels: Label[] | null;
  failure: Failure | null;
  thumbnailUrl: string | null;
  downloadUrl: string | null;
  /** When it will be deleted, unless that is undone; null: not at all. */
  deletesAt: string | null;
}
export interface Attempt {
  at: string;
  responseStatus: number | null;
  error: string | null;
  durationMs: number | null;
}
export interface Callback {
  id: string;
  url: string;
  status: string;
  reason: string | null;
  nextAttemptAt: string | null;
  attempts: Attempt[];
}
/** What the view of one picture shows. */
export interface Picture extends Tile {
  externalId: string | null;
  metadata: { key: string; value: string }[];
  sizeBytes: number | null;
  width: number | null;
  height: number | null;
  labelledAt: string | null;
  previewUrl: string | null;
  /** The downloadUrl by which the browser has the image already: the present one may have another signature or name. */
  shownUrl: string | null;
  labels: FullLabel[] | null;
  detectedLabels: { name: string; confidence: number }[] | null;
  rejectedLabels: string[];
  callback: Callback | null;
}
export interface Upload {
  key: string;
  file: File;
  name: string;
  preview: string | null;
  progress: number;
  problem: string | null;
  done: boolean;
  idempotencyKey: string | null;
}
/** A file that failed: its upload, or the labelling of the picture `id`. */
export interface Failed {
  key: string;
  name: string;
  reason: string;
  remedy: string;
  retryable: boolean;
  upload: Upload | null;
  id: string | null;
}
/** A picture of a collection: an upload, a stored picture, or both. */
export interface Item {
  key: string;
  at: number;
  blob?: Tile;
  upload?: Upload | null;
  name?: string;
}
export type Order = 'NEWEST' | 'OLDEST' | 'CONFIDENCE';
/** What is searched for. Dates are days, as 2026-01-31; empty means any. `confirmed`: labels that the owner confirmed or added. NOTHING: labelled, and nothing was found. */
export interface Search {
  labels: string[];
  least: number;
  status: '' | 'LABELLING' | 'LABELLED' | 'FAILED' | 'NOTHING';
  type: string;
  confirmed: '' | 'yes' | 'no';
  from: string;
  to: string;
  order: Order;
}
