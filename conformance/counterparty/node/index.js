// A shopping cart written with the public API of the npm package cloudstate, version 0.0.3. It
// serves the same .proto file as examples/shoppingcart. HOST and PORT say where, PROTO_PATH
// where .proto files are, separated by colons; the directory it runs in has the descriptors,
// in user-function.desc.
"use strict";

const fs = require("fs");
const path = require("path");

const library = path.dirname(require.resolve("cloudstate/package.json"));
adaptToThisCentury();
const { EventSourced } = require("cloudstate");

const includeDirs = process.env.PROTO_PATH.split(":");
const cart = new EventSourced(
  ["shoppingcart/shoppingcart.proto", "shoppingcart/persistence/domain.proto"],
  "com.example.shoppingcart.ShoppingCart",
  { persistenceId: "node-shopping-cart", snapshotEvery: 5, includeDirs },
);

const pkg = "com.example.shoppingcart.persistence.";
const ItemAdded = cart.lookupType(pkg + "ItemAdded");
const ItemRemoved = cart.lookupType(pkg + "ItemRemoved");
const Cart = cart.lookupType(pkg + "Cart");

cart.setInitial(() => Cart.create({ items: [] }));
cart.setBehavior(() => ({
  commandHandlers: {
    AddItem(add, state, ctx) {
      if (add.quantity <= 0) {
        ctx.fail("the quantity must be positive");
        return undefined;
      }
      const item = { productId: add.productId, name: add.name, quantity: add.quantity };
      ctx.emit(ItemAdded.create({ item }));
      return {};
    },
    RemoveItem(remove, state, ctx) {
      ctx.emit(ItemRemoved.create({ productId: remove.productId }));
      return {};
    },
    GetCart(get, state) {
      return { items: state.items };
    },
  },
  eventHandlers: {
    ItemAdded({ item }, state) {
      const known = state.items.find((i) => i.productId === item.productId);
      if (known) {
        known.quantity += item.quantity;
      } else {
        state.items.push(item);
      }
      return state;
    },
    ItemRemoved({ productId }, state) {
      state.items = state.items.filter((i) => i.productId !== productId);
      return state;
    },
  },
}));
cart.start({ bindAddress: process.env.HOST, bindPort: Number(process.env.PORT) });

// The library was written for the package grpc, which does not build any more and is replaced
// by @grpc/grpc-js. That has no bind that returns at once, so start waits for it here. What
// the library downloads when it is installed is the standard .proto files; their content comes
// with protobufjs, but they have to exist.
function adaptToThisCentury() {
  const { Server } = require("grpc");
  const start = Server.prototype.start;
  Server.prototype.bind = function bind(address, credentials) {
    this.bound = new Promise((resolve, reject) => {
      this.bindAsync(address, credentials, (err, port) => (err ? reject(err) : resolve(port)));
    });
    return Number(address.slice(address.lastIndexOf(":") + 1));
  };
  Server.prototype.start = function startWhenBound() {
    this.bound.then(() => start.call(this));
  };

  const standard = path.join(library, "protoc", "include", "google", "protobuf");
  fs.mkdirSync(standard, { recursive: true });
  for (const name of ["any", "duration", "empty", "struct", "timestamp", "wrappers"]) {
    fs.writeFileSync(path.join(standard, name + ".proto"), 'syntax = "proto3";\n');
  }
  const descriptor = require.resolve("protobufjs/google/protobuf/descriptor.proto");
  fs.copyFileSync(descriptor, path.join(standard, "descriptor.proto"));
}
