/**
 * A bucket that speaks S3: AWS, MinIO, Ceph, Garage, versitygw and others. Three calls, signed with AWS Signature Version 4.
 *
 * @module
 */

import { LssgenError } from "../lib/errors.ts";
import { sha256 } from "./job.ts";
import { checkKey, type ObjectStore, tooLong } from "./store.ts";

/** Milliseconds that a call may take. */
const TIMEOUT_MS = 20_000;
/** Tries of a call that the bucket could not answer (5xx, 429, no connection), and milliseconds before the second. */
const TRIES = 3;
const RETRY_MS = 300;

/** See the module. */
export class S3Store implements ObjectStore {
  /** See {@linkcode ObjectStore}. */
  readonly name: string;
  private readonly base: URL;
  private readonly key: string;
  private readonly secret: string;
  private readonly region: string;
  private readonly session: string | undefined;

  /**
   * Opens a bucket; nothing is asked of it yet.
   *
   * @param place `s3+https://HOST[:PORT]/BUCKET[/PREFIX]`.
   * @param env Reads the environment: `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`, `AWS_REGION`.
   * @param timeoutMs Milliseconds that a call may take. Default 20 s.
   * @throws {LssgenError} `bad_option` without a bucket or without keys.
   */
  constructor(
    place: string,
    env: (name: string) => string | undefined,
    private readonly timeoutMs: number = TIMEOUT_MS,
  ) {
    this.base = new URL(place.replace(/^s3\+/i, "").replace(/\/*$/, "/"));
    const { host, pathname, username, password, search } = this.base;
    this.name = `bucket ${host}${pathname.replace(/\/$/, "")}`;
    if (pathname === "/" || username || password || search) {
      throw new LssgenError(
        "bad_option",
        `--store is s3+…://${host}, expected s3+https://HOST/BUCKET, with the keys in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY`,
      );
    }
    const key = env("AWS_ACCESS_KEY_ID");
    const secret = env("AWS_SECRET_ACCESS_KEY");
    if (!key || !secret) {
      throw new LssgenError(
        "bad_option",
        `The ${this.name} needs keys: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY`,
      );
    }
    this.key = key;
    this.secret = secret;
    this.session = env("AWS_SESSION_TOKEN") || undefined;
    this.region = env("AWS_REGION") || env("AWS_DEFAULT_REGION") || "us-east-1";
  }

  /** See {@linkcode ObjectStore}. */
  async put(key: string, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    const response = await this.call("PUT", key, bytes);
    await response.body?.cancel();
  }

  /** See {@linkcode ObjectStore}. */
  async get(key: string, most: number): Promise<Uint8Array<ArrayBuffer> | undefined> {
    const response = await this.call("GET", key);
    if (response.status === 404) {
      await response.body?.cancel();
      return undefined;
    }
    const parts: Uint8Array<ArrayBuffer>[] = [];
    let length = 0;
    try {
      for await (const part of response.body ?? []) {
        length += part.length;
        if (length > most) throw tooLong(key, most);
        parts.push(part);
      }
    } catch (error) {
      throw error instanceof LssgenError ? error : this.unavailable("GET", String((error as Error).message));
    }
    return new Uint8Array(await new Blob(parts).arrayBuffer());
  }

  /** See {@linkcode ObjectStore}. */
  async remove(key: string): Promise<void> {
    await this.call("DELETE", key).then((response) => response.body?.cancel()).catch(() => {});
  }

  /** One call, tried again where the bucket could not answer. */
  private async call(method: string, key: string, body?: Uint8Array<ArrayBuffer>): Promise<Response> {
    checkKey(key);
    for (let left = TRIES, wait = RETRY_MS;; wait *= 4) {
      left--;
      let why: string;
      try {
        const response = await fetch(await this.signed(method, new URL(key, this.base), body));
        if (response.ok || (response.status === 404 && method !== "PUT")) return response;
        const text = (await response.text()).slice(0, 2000);
        const [, code = ""] = /<Code>([\w.-]{1,60})<\/Code>/.exec(text) ?? [];
        why = `${response.status}${code && ` ${code}`}`;
        const again = response.status >= 500 || response.status === 429 || response.status === 408;
        if (!again) left = 0;
      } catch (error) {
        const { name, message } = error as Error;
        why = name === "TimeoutError" ? `no answer within ${this.timeoutMs / 1000} s` : message;
      }
      if (left <= 0) throw this.unavailable(method, why);
      await new Promise((resolve) => setTimeout(resolve, wait));
    }
  }

  /**
   * Source: AWS, "Signature Version 4 for API requests": a canonical request, its hash in a text to sign, a key derived
   * from secret, day, region and service.
   */
  private async signed(method: string, url: URL, body?: Uint8Array<ArrayBuffer>): Promise<Request> {
    const now = new Date().toISOString().replace(/[-:]|\.\d+/g, ""); // 20260131T120000Z
    const hash = await sha256(body ?? "");
    const headers: Record<string, string> = {
      host: url.host,
      "x-amz-content-sha256": hash,
      "x-amz-date": now,
      ...this.session && { "x-amz-security-token": this.session },
    };
    const names = Object.keys(headers).sort();
    const signedHeaders = names.join(";");
    // Names of objects are hashes, so only a prefix could need escapes, and URL has written those.
    const asked = [
      method,
      url.pathname,
      "",
      ...names.map((name) => `${name}:${headers[name]}`),
      "",
      signedHeaders,
      hash,
    ].join("\n");
    const scope = `${now.slice(0, 8)}/${this.region}/s3/aws4_request`;
    const text = ["AWS4-HMAC-SHA256", now, scope, await sha256(asked)].join("\n");
    let key: Uint8Array<ArrayBuffer> = new TextEncoder().encode(`AWS4${this.secret}`);
    for (const part of scope.split("/")) key = await hmac(key, part);
    const signature = [...await hmac(key, text)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
    delete headers.host; // fetch writes it
    return new Request(url, {
      method,
      headers: {
        ...headers,
        authorization:
          `AWS4-HMAC-SHA256 Credential=${this.key}/${scope}, SignedHeaders=${signedHeaders}, Signature=${signature}`,
        ...body &&
          { "content-type": url.pathname.endsWith(".png") ? "image/png" : "application/octet-stream" },
      },
      body,
      // A bucket elsewhere would get the picture without a signature for it; and nothing here follows strangers.
      redirect: "manual",
      signal: AbortSignal.timeout(this.timeoutMs),
    });
  }

  /** The error of a bucket. */
  private unavailable(method: string, why: string): LssgenError {
    return new LssgenError(
      "unavailable",
      `The object store, ${this.name}, refused ${method}: ${why.slice(0, 200)}`,
    );
  }
}

async function hmac(key: Uint8Array<ArrayBuffer>, text: string): Promise<Uint8Array<ArrayBuffer>> {
  const imported = await crypto.subtle.importKey("raw", key, { name: "HMAC", hash: "SHA-256" }, false, [
    "sign",
  ]);
  return new Uint8Array(await crypto.subtle.sign("HMAC", imported, new TextEncoder().encode(text)));
}
