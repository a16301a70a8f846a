// MessagePack, as SDKs write state with it.

/** What bytes (in base64, or of a text) are as MessagePack, all of them: `{ value }`, or null. */
export function decode(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const reader = new Reader(view);
  try {
    const value = reader.value(0);
    return reader.at === view.byteLength ? { value } : null;
  } catch {
    return null;
  }
}

/** The bytes of what the API shows as text or base64. */
export function bytesOf(shown) {
  if (shown.text !== undefined) return new TextEncoder().encode(shown.text);
  return Uint8Array.from(atob(shown.base64), (character) => character.charCodeAt(0));
}

const DEPTH_MAX = 64;

class Reader {
  constructor(view) {
    this.view = view;
    this.at = 0;
  }

  take(size, read) {
    const at = this.at;
    this.at += size;
    return read(at);
  }

  unsigned(size) {
    const view = this.view;
    return this.take(size, (at) => {
      if (size === 1) return view.getUint8(at);
      if (size === 2) return view.getUint16(at);
      if (size === 4) return view.getUint32(at);
      return plain(view.getBigUint64(at));
    });
  }

  signed(size) {
    const view = this.view;
    return this.take(size, (at) => {
      if (size === 1) return view.getInt8(at);
      if (size === 2) return view.getInt16(at);
      if (size === 4) return view.getInt32(at);
      return plain(view.getBigInt64(at));
    });
  }

  slice(size) {
    if (this.at + size > this.view.byteLength) throw new RangeError("cut off");
    return this.take(size, (at) => new Uint8Array(this.view.buffer, this.view.byteOffset + at, size));
  }

  text(size) {
    return new TextDecoder("utf-8", { fatal: true }).decode(this.slice(size));
  }

  binary(size) {
    return { base64: btoa(String.fromCharCode(...this.slice(size))) };
  }

  list(size, depth) {
    if (size > this.view.byteLength) throw new RangeError("too long");
    return Array.from({ length: size }, () => this.value(depth + 1));
  }

  map(size, depth) {
    if (size > this.view.byteLength) throw new RangeError("too long");
    const entries = Array.from({ length: size }, () => {
      const key = this.value(depth + 1);
      return [typeof key === "string" ? key : JSON.stringify(key), this.value(depth + 1)];
    });
    return Object.fromEntries(entries);
  }

  value(depth) {
    if (depth > DEPTH_MAX) throw new RangeError("too deep");
    const tag = this.unsigned(1);
    if (tag < 0x80) return tag;
    if (tag < 0x90) return this.map(tag & 0x0f, depth);
    if (tag < 0xa0) return this.list(tag & 0x0f, depth);
    if (tag < 0xc0) return this.text(tag & 0x1f);
    if (tag >= 0xe0) return tag - 0x100;
    if (tag >= 0xc4 && tag <= 0xc6) return this.binary(this.unsigned(1 << (tag - 0xc4)));
    if (tag >= 0xcc && tag <= 0xcf) return this.unsigned(1 << (tag - 0xcc));
    if (tag >= 0xd0 && tag <= 0xd3) return this.signed(1 << (tag - 0xd0));
    if (tag >= 0xd9 && tag <= 0xdb) return this.text(this.unsigned(1 << (tag - 0xd9)));
    if (tag === 0xc0) return null;
    if (tag === 0xc2 || tag === 0xc3) return tag === 0xc3;
    if (tag === 0xca) return this.take(4, (at) => this.view.getFloat32(at));
    if (tag === 0xcb) return this.take(8, (at) => this.view.getFloat64(at));
    if (tag === 0xdc || tag === 0xdd) return this.list(this.unsigned(tag === 0xdc ? 2 : 4), depth);
    if (tag === 0xde || tag === 0xdf) return this.map(this.unsigned(tag === 0xde ? 2 : 4), depth);
    throw new RangeError("no such tag");
  }
}

/** A whole number as a number where it is exact, else as its digits. */
function plain(big) {
  return Number.isSafeInteger(Number(big)) ? Number(big) : String(big);
}
