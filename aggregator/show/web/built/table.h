// SPDX-License-Identifier: Apache-2.0
// Written by build.mjs: A(number, path, content type, etag, bytes of gzip, immutable)
#define WEB_ASSETS(A) \
	A(0, "/", "text/html; charset=utf-8", "\"a16efbd902dffe710fc1b6eb2f046afc\"", 468, false) \
	A(1, "/assets/app-4936b09112.css", "text/css; charset=utf-8", "\"8784df67adcc44cd24121bad2cb26415\"", 4620, true) \
	A(2, "/assets/app-0022fc330d.js", "text/javascript; charset=utf-8", "\"7333d3fee6d9fb65fdbd621960cf57fa\"", 53514, true) \
	A(3, "/assets/icon-843c802bf9.svg", "image/svg+xml", "\"5f0be52f55b61f30ec24d7ecdd575842\"", 235, true) \
	A(4, "/assets/licenses-4c5aa31b62.txt", "text/plain; charset=utf-8", "\"e8634043debc7fa1611f79892c7a1a22\"", 796, true) \
	A(5, "/assets/theme-ff14caab82.js", "text/javascript; charset=utf-8", "\"3258bd2fa70bc3c051af28c0ea6bb1b9\"", 128, true)
