// Package shoppingcartpb is the public API of the shopping cart.
package shoppingcartpb

import "errors"

// Validate returns what is wrong with the request on its own, whatever is in the cart. It is
// what validation interceptors call.
func (a *AddLineItem) Validate() error {
	if a.GetProductId() == "" {
		return errors.New("product_id is empty, want the id of a product")
	}
	return nil
}
