// Package replication keeps the CRDTs of the nodes of a cluster the same (protocol
// sections 5.10 and 5.12).
//
// A [Node] has the replicas of one proxy. What changes in one of them is sent to all other
// nodes at once, without waiting; whoever wants to know waits for as many of them as it
// needs. As messages may get lost, nodes compare what they have from time to time, and
// send each other whole states where these differ. So nodes converge after any partition.
//
// A node has no goroutine apart from the one that compares: everything else happens where
// messages arrive, and where the methods are called.
package replication
