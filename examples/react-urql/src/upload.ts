// What a page needs beside GraphQL: the type of a file, its upload, and sentences for people.
import { patiently } from './service';

/** The type to declare for each that a browser gives to a file. */
const TYPES = {
  'image/jpeg': 'JPEG',
  'image/png': 'PNG',
  'image/webp': 'WEBP',
  'image/gif': 'GIF',
  'image/tiff': 'TIFF',
  'image/bmp': 'BMP',
  'image/avif': 'AVIF',
  'image/heic': 'HEIC',
} as const;

export const ACCEPT = Object.keys(TYPES).join();

/** Returns the type to declare. A browser may know none, and the service looks at the bytes: any will do then. */
export function typeOf(picture: File) {
  return TYPES[picture.type as keyof typeof TYPES] ?? 'JPEG';
}

/** Returns what to tell a user about an error. GraphQL's errors are plain objects in urql. */
export function sentence(error: unknown): string {
  return (error as { message?: string } | undefined)?.message ?? String(error);
}

interface Event {
  kind: string;
  blob: { failure: { message: string } | null } | null;
}

/** Returns what ended the wait for labels, if not the labels. */
export function ending(event?: Event): string | undefined {
  if (event?.kind === 'DELETED') return 'The picture was deleted.';
  if (event?.kind === 'EXPIRED') return 'The picture did not arrive in time. Send it again.';
  return event?.blob?.failure?.message;
}

interface Target {
  method: string;
  url: string;
  headers: readonly { name: string; value: string }[];
}

/** Sends a picture. `onProgress` receives the part that is sent, from 0 to 1. */
export function send(picture: File, target: Target, onProgress: (part: number) => void) {
  return patiently(target.url, async () => {
    await picture.slice(0, 1).arrayBuffer(); // throws if the file has changed or is gone
    await put(picture, target, onProgress);
  });
}

function put(picture: File, { method, url, headers }: Target, onProgress: (part: number) => void) {
  return new Promise<void>((resolve, reject) => {
    const request = new XMLHttpRequest(); // fetch does not tell how much it has sent
    request.open(method, url);
    for (const { name, value } of headers) request.setRequestHeader(name, value);
    request.upload.onprogress = ({ loaded, total }) => onProgress(loaded / total);
    request.onload = () => (request.status === 200 ? resolve() : reject(new Error(refusal(request))));
    request.onerror = () => reject(new TypeError('no response'));
    request.send(picture);
  });
}

/** Returns the message of a refused upload: the service answers in JSON, S3 in XML. */
function refusal({ status, responseText }: XMLHttpRequest): string {
  try {
    return JSON.parse(responseText).message;
  } catch {
    return `The upload failed with status ${status}.`;
  }
}
