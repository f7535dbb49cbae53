// What a page needs beside GraphQL: the type of a file, its upload, and sentences for people.

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

/** Returns what to tell a user about an error. `service` is the address that was asked. */
export function sentence(error: unknown, service: string): string {
  // fetch throws it without a response, or when this page may not read the response.
  if (error instanceof TypeError) {
    return `${service} does not answer. Is it running, and does it accept pages of ${location.origin} (--cors-origins)?`;
  }
  return error instanceof Error ? error.message : String(error);
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
export function send(picture: File, { method, url, headers }: Target, onProgress: (part: number) => void) {
  return new Promise<void>((resolve, reject) => {
    const request = new XMLHttpRequest(); // fetch does not tell how much it has sent
    request.open(method, url);
    for (const { name, value } of headers) request.setRequestHeader(name, value);
    request.upload.onprogress = ({ loaded, total }) => onProgress(loaded / total);
    request.onload = () => (request.status === 200 ? resolve() : reject(new Error(refusal(request))));
    request.onerror = () => reject(new Error(sentence(new TypeError(), new URL(url).origin)));
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
